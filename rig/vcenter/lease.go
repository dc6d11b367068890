package main

import (
	"crypto/sha1" // the lease's manifest is SHA-1
	"encoding/hex"
	"fmt"
	"io"
	"net/url"
	"os"
	"reflect"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

const (
	// initializing is how long a lease is not ready yet, so that clients have to wait for it as they do for real.
	initializing = 100 * time.Millisecond
	// leaseTimeout is vCenter's own, in seconds.
	leaseTimeout = 300
)

// lease is an HttpNfcLease that serves files and dies without progress.
type lease struct {
	mo.HttpNfcLease
	g       *rig
	id      string
	session string
	vm      types.ManagedObjectReference
	name    string
	host    string
	locks   bool // whether it keeps the VM from being altered
	files   map[string]nfcFile
	timeout time.Duration
	timer   *time.Timer
	served  atomic.Int64
	ended   chan struct{}
	end     sync.Once
}

// nfcFile is one file that a lease serves: a path, or a few bytes where there is none.
type nfcFile struct {
	path string
	data string
	disk bool
}

// openLease starts an export and returns the lease's reference, while it is initializing.
func (g *rig) openLease(
	ctx *simulator.Context, vm *simulator.VirtualMachine, devices []types.BaseVirtualDevice, locks bool,
) types.ManagedObjectReference {
	g.mu.Lock()
	faults := g.faults
	g.mu.Unlock()
	l := &lease{
		g: g, id: uuid.NewString(), session: ctx.Session.Key, vm: vm.Self, name: vm.Name, locks: locks,
		host:  ctx.Map.Get(*vm.Runtime.Host).(*simulator.HostSystem).Name,
		files: map[string]nfcFile{}, ended: make(chan struct{}), timeout: leaseTimeout * time.Second,
	}
	if faults.LeaseSeconds > 0 {
		l.timeout = time.Duration(faults.LeaseSeconds * float64(time.Second))
	}
	l.Self = types.ManagedObjectReference{Type: "HttpNfcLease", Value: "session[" + l.session + "]" + l.id}
	l.State = types.HttpNfcLeaseStateInitializing
	info := l.describe(devices, faults.StarHosts || ctx.Map.IsESX()) // a host names itself with a *
	g.mu.Lock()
	g.leases[l.id] = l
	g.mu.Unlock()
	ctx.Session.Put(l)
	l.timer = time.AfterFunc(l.timeout, func() { l.fail("The lease timed out.", new(types.Timedout)) })
	time.AfterFunc(initializing, func() {
		if after := faults.LeaseErrorAfter; after != nil && *after == 0 {
			l.fail("A general system error occurred: injected by the test", &types.SystemError{Reason: "injected"})
			return
		}
		l.update(
			types.PropertyChange{Name: "info", Val: info},
			types.PropertyChange{Name: "state", Val: types.HttpNfcLeaseStateReady},
		)
	})
	return l.Self
}

// describe lists what the lease serves: an ISO and the NVRAM around the disks, as vCenter does.
func (l *lease) describe(devices object.VirtualDeviceList, star bool) *types.HttpNfcLeaseInfo {
	info := &types.HttpNfcLeaseInfo{Lease: l.Self, Entity: l.vm, LeaseTimeout: int32(l.timeout / time.Second)}
	m := l.g.machine(l.vm)
	for _, d := range devices {
		if cdrom, ok := d.(*types.VirtualCdrom); ok && cdrom.Backing != nil {
			l.offer(info, l.key(devices, d), "file-0.iso", nfcFile{data: "an ISO image\n"}, star)
		}
	}
	number := 0
	for _, d := range devices {
		disk, ok := d.(*types.VirtualDisk)
		if !ok {
			continue
		}
		info.TotalDiskCapacityInKB += disk.CapacityInKB
		file := nfcFile{path: m.disks[disk.Key].spec.Stream, disk: true}
		l.offer(info, l.key(devices, d), fmt.Sprintf("disk-%d.vmdk", number), file, star)
		number++
	}
	l.offer(info, "/"+l.vm.Value+"/nvram", l.name+".nvram", nfcFile{data: "NVRAM\n"}, star)
	return info
}

// key names a device as leases do: "/vm-42/VirtualLsiLogicController0:0".
func (l *lease) key(devices object.VirtualDeviceList, d types.BaseVirtualDevice) string {
	device := d.GetVirtualDevice()
	controller := devices.FindByKey(device.ControllerKey)
	kind := reflect.TypeOf(controller).Elem().Name()
	number := controller.(types.BaseVirtualController).GetVirtualController().BusNumber
	return fmt.Sprintf("/%s/%s%d:%d", l.vm.Value, kind, number, *device.UnitNumber)
}

func (l *lease) offer(info *types.HttpNfcLeaseInfo, key, target string, file nfcFile, star bool) {
	l.files[target] = file
	size := int64(len(file.data))
	if stat, err := os.Stat(file.path); err == nil {
		size = stat.Size()
	}
	host, esxi := "127.0.0.1", l.g.esxi[l.host]
	if star {
		host = "*"
	}
	info.DeviceUrl = append(info.DeviceUrl, types.HttpNfcLeaseDeviceUrl{
		Key: key, Disk: types.NewBool(file.disk), TargetId: target, FileSize: size,
		Url:           fmt.Sprintf("https://%s:%d/nfc/%s/%s", host, esxi.port(), l.id, url.PathEscape(target)),
		SslThumbprint: esxi.thumbprint(),
	})
}

// update changes properties as the simulator itself does, so that clients which wait for updates see it.
func (l *lease) update(changes ...types.PropertyChange) {
	ctx := l.g.context()
	ctx.WithLock(l, func() {
		select {
		case <-l.ended: // too late: it was aborted
		default:
			ctx.Update(l, changes)
		}
	})
}

// fail puts the lease into its error state; its VM is free again and its downloads are cut.
func (l *lease) fail(message string, fault types.BaseMethodFault) {
	l.update(
		types.PropertyChange{Name: "state", Val: types.HttpNfcLeaseStateError},
		types.PropertyChange{Name: "error", Val: &types.LocalizedMethodFault{Fault: fault, LocalizedMessage: message}},
	)
	l.close("failed")
}

// timeOutAll ends every lease as if its client had gone silent.
func (g *rig) timeOutAll() {
	g.mu.Lock()
	open := make([]*lease, 0, len(g.leases))
	for _, l := range g.leases {
		open = append(open, l)
	}
	g.mu.Unlock()
	for _, l := range open {
		l.fail("The lease timed out.", new(types.Timedout))
	}
}

// close takes the lease off the books, once.
func (l *lease) close(how string) {
	l.end.Do(func() {
		l.timer.Stop()
		close(l.ended)
		l.g.mu.Lock()
		delete(l.g.leases, l.id)
		l.g.mu.Unlock()
		l.g.journal.lease(LeaseEnd{VM: l.name, How: how, Progress: l.TransferProgress, Served: l.served.Load()})
	})
}

// HttpNfcLeaseProgress keeps the lease alive.
func (l *lease) HttpNfcLeaseProgress(_ *simulator.Context, r *types.HttpNfcLeaseProgress) soap.HasFault {
	if l.State != types.HttpNfcLeaseStateReady {
		return &methods.HttpNfcLeaseProgressBody{Fault_: simulator.Fault("", new(types.InvalidState))}
	}
	l.timer.Reset(l.timeout)
	l.TransferProgress = r.Percent
	return &methods.HttpNfcLeaseProgressBody{Res: new(types.HttpNfcLeaseProgressResponse)}
}

// HttpNfcLeaseComplete ends a lease whose files were all read.
func (l *lease) HttpNfcLeaseComplete(ctx *simulator.Context, _ *types.HttpNfcLeaseComplete) soap.HasFault {
	if l.State != types.HttpNfcLeaseStateReady {
		return &methods.HttpNfcLeaseCompleteBody{Fault_: simulator.Fault("", new(types.InvalidState))}
	}
	l.close("completed")
	ctx.Session.Remove(ctx, l.Self)
	return &methods.HttpNfcLeaseCompleteBody{Res: new(types.HttpNfcLeaseCompleteResponse)}
}

// HttpNfcLeaseAbort gives a lease up.
func (l *lease) HttpNfcLeaseAbort(ctx *simulator.Context, _ *types.HttpNfcLeaseAbort) soap.HasFault {
	l.close("aborted")
	ctx.Session.Remove(ctx, l.Self)
	return &methods.HttpNfcLeaseAbortBody{Res: new(types.HttpNfcLeaseAbortResponse)}
}

// HttpNfcLeaseGetManifest states the checksums of the files as they are served.
func (l *lease) HttpNfcLeaseGetManifest(_ *simulator.Context, _ *types.HttpNfcLeaseGetManifest) soap.HasFault {
	res := new(types.HttpNfcLeaseGetManifestResponse)
	for _, u := range l.Info.DeviceUrl {
		file, err := l.files[u.TargetId].open()
		if err != nil {
			return &methods.HttpNfcLeaseGetManifestBody{Fault_: simulator.Fault(err.Error(), new(types.InvalidState))}
		}
		sum := sha1.New()
		size, _ := io.Copy(sum, file)
		_ = file.Close()
		res.Returnval = append(res.Returnval, types.HttpNfcLeaseManifestEntry{
			Key: u.Key, Sha1: hex.EncodeToString(sum.Sum(nil)), Size: size, Disk: *u.Disk,
		})
	}
	return &methods.HttpNfcLeaseGetManifestBody{Res: res}
}

// exporting says whether an open lease keeps the object from being altered.
func (g *rig) exporting(ref types.ManagedObjectReference) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, l := range g.leases {
		if l.vm == ref && l.locks {
			return true
		}
	}
	return false
}

// endLeasesOf gives up what a session leaves behind when it ends.
func (g *rig) endLeasesOf(session string) {
	g.mu.Lock()
	var orphans []*lease
	for _, l := range g.leases {
		if l.session == session {
			orphans = append(orphans, l)
		}
	}
	g.mu.Unlock()
	for _, l := range orphans {
		l.close("session ended")
	}
}
