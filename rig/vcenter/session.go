package main

import (
	"net/http"
	"reflect"
	"slices"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

// internal says whether a call comes from this program itself: its session belongs to nobody.
func internal(ctx *simulator.Context) bool { return ctx.Session != nil && ctx.Session.UserName == "" }

// readsProperties says whether a call reads properties that a client must be logged in for. The simulator lets
// everybody read; vCenter answers NotAuthenticated, except for the service's own description and the session manager.
func readsProperties(m *simulator.Method) bool {
	switch body := m.Body.(type) {
	case *types.RetrieveProperties:
		return !public(body.SpecSet)
	case *types.RetrievePropertiesEx:
		return !public(body.SpecSet)
	}
	if m.Name != "Fetch" { // a property read by one object's accessor; its type is private to the simulator
		return false
	}
	this, ok := reflect.ValueOf(m.Body).Elem().FieldByName("This").Interface().(types.ManagedObjectReference)
	return !ok || !publicType(this.Type)
}

func public(specs []types.PropertyFilterSpec) bool {
	for _, spec := range specs {
		for _, set := range spec.ObjectSet {
			if !publicType(set.Obj.Type) {
				return false
			}
		}
	}
	return true
}

func publicType(name string) bool { return name == "ServiceInstance" || name == "SessionManager" }

// sessions are the users' open sessions.
func (g *rig) sessions() []types.UserSession {
	ctx := g.context()
	manager := ctx.Session.Get(ctx.Map.SessionManager().Self).(*simulator.SessionManager)
	open := []types.UserSession{}
	for _, s := range manager.SessionList {
		if s.UserName != "" {
			open = append(open, s)
		}
	}
	return open
}

// expireSessions ends every session, as an idle time-out or an administrator does; what hung on them ends, too.
func (g *rig) expireSessions() {
	ctx := g.context()
	for _, s := range g.sessions() {
		ctx.Map.SessionManager().TerminateSession(ctx, &types.TerminateSession{SessionId: []string{s.Key}})
		g.endLeasesOf(s.Key)
	}
}

// exAuthorization is the authorization manager of a user who lacks what the faults say.
type exAuthorization struct {
	*simulator.AuthorizationManager
	g *rig
}

// HasPrivilegeOnEntities says which privileges the session's user has.
func (a *exAuthorization) HasPrivilegeOnEntities(r *types.HasPrivilegeOnEntities) soap.HasFault {
	body := a.AuthorizationManager.HasPrivilegeOnEntities(r).(*methods.HasPrivilegeOnEntitiesBody)
	a.deny(body.Res.Returnval)
	return body
}

// HasUserPrivilegeOnEntities says which privileges the named user has; there is only one user.
func (a *exAuthorization) HasUserPrivilegeOnEntities(r *types.HasUserPrivilegeOnEntities) soap.HasFault {
	body := a.AuthorizationManager.HasUserPrivilegeOnEntities(r).(*methods.HasUserPrivilegeOnEntitiesBody)
	a.deny(body.Res.Returnval)
	return body
}

func (a *exAuthorization) deny(entities []types.EntityPrivilege) {
	a.g.mu.Lock()
	defer a.g.mu.Unlock()
	for _, entity := range entities {
		if on := a.g.faults.MissingOn; on != "" && on != entity.Entity.Type {
			continue
		}
		for i, p := range entity.PrivAvailability {
			entity.PrivAvailability[i].IsGranted = !slices.Contains(a.g.faults.MissingPrivileges, p.PrivId)
		}
	}
}

// authenticated says whether a request for a datastore's file carries a session's cookie or the password.
func (g *rig) authenticated(r *http.Request) bool {
	if name, password, ok := r.BasicAuth(); ok {
		return name == g.username && password == g.password
	}
	cookie, err := r.Cookie(soap.SessionCookieName)
	if err != nil {
		return false
	}
	for _, s := range g.sessions() {
		if s.Key == cookie.Value {
			return true
		}
	}
	return false
}
