package main

import (
	"net/http"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
)

// Faults are what goes wrong. Setting them replaces all that were set before; the zero value is a healthy vCenter.
type Faults struct {
	// CutAfter cuts the connection after so many bytes of a disk, CutTimes times.
	CutAfter int64 `json:"cut_after"`
	CutTimes int   `json:"cut_times"`
	// BytesPerSecond slows each stream down.
	BytesPerSecond int64 `json:"bytes_per_second"`
	// NFCStatus answers requests for disks with this HTTP status.
	NFCStatus int `json:"nfc_status"`
	// LeaseSeconds is how long a lease lives without progress.
	LeaseSeconds float64 `json:"lease_seconds"`
	// StarHosts puts a * in place of the host in device URLs.
	StarHosts bool `json:"star_hosts"`
	// LeaseErrorAfter makes a lease fail after it has served so many bytes, with 0 before it is ever ready.
	LeaseErrorAfter *int64 `json:"lease_error_after"`
	// ExpireAfterCalls ends all sessions after so many further SOAP calls, once.
	ExpireAfterCalls int `json:"expire_after_calls"`
	// LoginFailures refuses so many logins.
	LoginFailures int `json:"login_failures"`
	// SOAPStatus answers the next SOAPStatusTimes SOAP calls with this HTTP status.
	SOAPStatus      int `json:"soap_status"`
	SOAPStatusTimes int `json:"soap_status_times"`
	// MissingPrivileges are what the user may not do, as the authorization manager tells those who ask.
	MissingPrivileges []string `json:"missing_privileges"`
	// MissingOn is the type of the objects on which they are missing, such as Datacenter; every type where it is empty.
	MissingOn string `json:"missing_on"`
	// Methods are SOAP faults by method.
	Methods map[string]*MethodFault `json:"methods"`
}

// MethodFault is a SOAP fault that a method answers with.
type MethodFault struct {
	// Fault is NotAuthenticated, NoPermission, TaskInProgress, InvalidState or SystemError.
	Fault string `json:"fault"`
	// Times is how often; always where it is 0.
	Times int `json:"times"`
}

// setFaults replaces the faults.
func (g *rig) setFaults(f Faults) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.faults = f
}

// hook sees every SOAP call before the simulator does: it counts it, refuses it where a fault is due, and makes the
// session's view of the object able to do what the simulator's own object cannot.
func (g *rig) hook(ctx *simulator.Context, m *simulator.Method) (mo.Reference, types.BaseMethodFault) {
	if internal(ctx) {
		return nil, nil
	}
	g.journal.call(m.Name)
	if fault := g.refuse(ctx, m); fault != nil {
		return nil, fault
	}
	if m.Name == "Logout" && ctx.Session != nil {
		g.endLeasesOf(ctx.Session.Key)
	}
	g.extend(ctx, m.This)
	return nil, nil
}

// refuse says which fault a call gets, if any.
func (g *rig) refuse(ctx *simulator.Context, m *simulator.Method) types.BaseMethodFault {
	if ctx.Session == nil && readsProperties(m) {
		return notAuthenticated(m.This)
	}
	if ctx.Session != nil && g.expiryDue() {
		g.expireSessions()
		return notAuthenticated(m.This)
	}
	if m.Name == "Login" && g.loginFailureDue() {
		return new(types.InvalidLogin)
	}
	if kind := g.methodFaultDue(m.Name); kind != "" {
		return faultOf(kind, m.This)
	}
	if alters[m.Name] && g.exporting(m.This) {
		return &types.TaskInProgress{Task: types.ManagedObjectReference{Type: "Task", Value: "task-export"}}
	}
	return nil
}

// alters are the operations that a VM refuses while it is exported: "While the lease is held, operations that alter
// the state of the virtual machines covered by the lease are blocked. Examples of blocked operations are PowerOn,
// VM configuration changes, delete, and migrate." (vSphere Web Services API, HttpNfcLease)
var alters = map[string]bool{
	"PowerOnVM_Task": true, "ReconfigVM_Task": true, "Destroy_Task": true, "RelocateVM_Task": true,
	"MigrateVM_Task": true, "ExportVm": true, "UnregisterVM": true, "Rename_Task": true,
}

func (g *rig) expiryDue() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.faults.ExpireAfterCalls == 0 {
		return false
	}
	g.faults.ExpireAfterCalls--
	return g.faults.ExpireAfterCalls == 0
}

func (g *rig) loginFailureDue() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.faults.LoginFailures == 0 {
		return false
	}
	g.faults.LoginFailures--
	return true
}

func (g *rig) methodFaultDue(method string) string {
	g.mu.Lock()
	defer g.mu.Unlock()
	f := g.faults.Methods[method]
	if f == nil {
		return ""
	}
	if f.Times > 0 {
		if f.Times--; f.Times == 0 {
			delete(g.faults.Methods, method)
		}
	}
	return f.Fault
}

func faultOf(kind string, this types.ManagedObjectReference) types.BaseMethodFault {
	switch kind {
	case "NotAuthenticated":
		return notAuthenticated(this)
	case "NoPermission":
		return &types.NoPermission{Object: &this, PrivilegeId: "VApp.Export"}
	case "TaskInProgress":
		return &types.TaskInProgress{Task: types.ManagedObjectReference{Type: "Task", Value: "task-other"}}
	case "InvalidState":
		return new(types.InvalidState)
	default:
		return &types.SystemError{Reason: "injected by the test"}
	}
}

func notAuthenticated(this types.ManagedObjectReference) types.BaseMethodFault {
	return &types.NotAuthenticated{NoPermission: types.NoPermission{Object: &this, PrivilegeId: "System.View"}}
}

// unavailable answers SOAP calls with an HTTP error while one is due.
func (g *rig) unavailable(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if status := g.soapStatusDue(r); status != 0 {
			http.Error(w, http.StatusText(status), status)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (g *rig) soapStatusDue(r *http.Request) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	if r.Method != http.MethodPost || g.faults.SOAPStatusTimes == 0 {
		return 0
	}
	g.faults.SOAPStatusTimes--
	return g.faults.SOAPStatus
}
