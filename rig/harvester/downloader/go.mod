module thresher/rig/downloader

go 1.26
