/* The floor of a conversion: reads a stream-optimized VMDK, inflates every grain on one core, and drops it.
 *
 *     cc -O2 -o inflate inflate.c -DLIBDEFLATE -ldeflate
 *     cc -O2 -o inflate inflate.c -lz
 *     inflate FILE
 *
 * The layout is that of VMware's "Virtual Disk Format 5.0", section "Stream-Optimized Compressed Sparse Extents":
 * a grain is u64 sector, u32 size and the bytes, up to the next sector; with size 0 it is a marker, whose first field
 * counts the sectors that follow it and whose kind is the next u32. Fields are little-endian, as this machine has to be.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#ifdef LIBDEFLATE
#include <libdeflate.h>
#else
#include <zlib.h>
#endif

enum { SECTOR = 512, GRAIN = 128 * SECTOR, MOST = 2 * GRAIN, OVERHEAD_AT = 64 };

static unsigned char packed[MOST + SECTOR], plain[GRAIN];

static void fail(const char *what) {
    fprintf(stderr, "inflate: %s\n", what);
    exit(1);
}

static size_t inflated(size_t length) {
#ifdef LIBDEFLATE
    static struct libdeflate_decompressor *tool;
    size_t got;
    if (!tool) tool = libdeflate_alloc_decompressor();
    if (libdeflate_zlib_decompress(tool, packed, length, plain, GRAIN, &got)) fail("a grain is no zlib stream");
    return got;
#else
    uLongf got = GRAIN;
    if (uncompress(plain, &got, packed, length) != Z_OK) fail("a grain is no zlib stream");
    return got;
#endif
}

int main(int argc, char **argv) {
    unsigned char head[SECTOR];
    uint64_t first, total = 0;
    FILE *file = argc == 2 ? fopen(argv[1], "rb") : NULL;
    if (!file) fail("usage: inflate FILE");
    setvbuf(file, NULL, _IOFBF, 1 << 20);
    if (fread(head, SECTOR, 1, file) != 1 || memcmp(head, "KDMV", 4)) fail("not a sparse VMDK");
    memcpy(&first, head + OVERHEAD_AT, sizeof first);
    if (fseeko(file, (off_t)first * SECTOR, SEEK_SET)) fail("it ends early");
    for (;;) {
        uint32_t size, kind;
        if (fread(head, SECTOR, 1, file) != 1) fail("it ends before its end-of-stream marker");
        memcpy(&first, head, sizeof first);
        memcpy(&size, head + 8, sizeof size);
        memcpy(&kind, head + 12, sizeof kind);
        if (size) {
            size_t rest = ((size_t)size + 12 + SECTOR - 1) / SECTOR * SECTOR - SECTOR;
            if (size > MOST) fail("a grain is too long");
            memcpy(packed, head + 12, SECTOR - 12);
            if (rest && fread(packed + SECTOR - 12, rest, 1, file) != 1) fail("it ends within a grain");
            total += inflated(size);
        } else if (kind == 0) {
            break;
        } else if (fseeko(file, (off_t)first * SECTOR, SEEK_CUR)) {
            fail("it ends within metadata");
        }
    }
    printf("%llu\n", (unsigned long long)total);
    return 0;
}
