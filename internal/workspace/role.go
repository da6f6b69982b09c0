package workspace

import (
	"slices"

	"imreport/internal/errs"
)

// Role says what a member may do in a workspace.
type Role string

// The roles, the strongest first.
const (
	Owner  Role = "owner"  // everything, other owners included
	Admin  Role = "admin"  // people, keys and settings
	Editor Role = "editor" // ad accounts and raw data
	Viewer Role = "viewer" // a colleague who only looks
	Client Role = "client" // an advertiser: results only
)

// Roles are all roles, the strongest first.
var Roles = []Role{Owner, Admin, Editor, Viewer, Client}

// ParseRole reads a role's name; ok is false for any other text.
func ParseRole(s string) (r Role, ok bool) {
	r = Role(s)
	return r, slices.Contains(Roles, r)
}

// AtLeast reports whether r may do all that least may. No role is below every
// role.
func (r Role) AtLeast(least Role) bool {
	i, j := slices.Index(Roles, r), slices.Index(Roles, least)
	return i >= 0 && j >= 0 && i <= j
}

// Action is something that a role allows or not.
type Action string

// The actions of a workspace. docs/roles.md has the same table; a test
// compares them.
const (
	ReadRawData    Action = "raw_data.read"    // raw data, runs, logs, files, status
	ReadAccounts   Action = "account.read"     // keys without secrets, ad accounts, usage
	ReadIncidents  Action = "incident.read"    // what needs somebody
	ReadPeople     Action = "people.read"      // members and their roles
	OwnTokens      Action = "token.own"        // make and revoke one's own tokens
	WriteRawData   Action = "raw_data.write"   // create, change, delete, refresh, cancel, retry, pause
	WriteAccounts  Action = "account.write"    // add, name and delete ad accounts
	WriteKeys      Action = "key.write"        // add, rotate, sync and delete API keys
	WritePeople    Action = "people.write"     // invite, change roles, remove, password links
	AllTokens      Action = "token.all"        // see and revoke everybody's tokens
	WriteWorkspace Action = "workspace.write"  // name, zone, language
	ReadAudit      Action = "audit.read"       // who did what
	WriteOwners    Action = "owner.write"      // make and unmake owners
	WriteInstance  Action = "workspace.create" // new workspaces: only the instance's owner
)

// least is the weakest role that may; WriteInstance is not a matter of roles.
var least = map[Action]Role{
	ReadRawData: Client,

	ReadAccounts: Viewer, ReadIncidents: Viewer, ReadPeople: Viewer, OwnTokens: Viewer,

	WriteRawData: Editor, WriteAccounts: Editor,

	WriteKeys: Admin, WritePeople: Admin, AllTokens: Admin, WriteWorkspace: Admin, ReadAudit: Admin,

	WriteOwners: Owner,
}

// Least is the weakest role that may do a; empty when no role may, because it
// belongs to the instance's owner.
func (a Action) Least() Role { return least[a] }

// May reports whether the actor may do a in its workspace.
func (a Actor) May(do Action) bool {
	if do == WriteInstance {
		return a.InstanceOwner
	}
	return a.Role.AtLeast(do.Least())
}

// Need is nil when the actor may do a, workspace.forbidden otherwise.
func (a Actor) Need(do Action) error {
	if a.May(do) {
		return nil
	}
	if do == WriteInstance {
		return errs.E(errs.Forbidden, "workspace.instance_forbidden", nil)
	}
	return errs.E(errs.Forbidden, "workspace.forbidden", nil, roleName(a.Role), roleName(do.Least()))
}
