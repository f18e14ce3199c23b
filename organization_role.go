package auth

import (
	"fmt"
	"slices"
	"time"

	"github.com/datixlab/auth/store"
)

// maxRoles is how many roles Config.Roles may have.
const maxRoles = 50

// rolesOrDefault returns a copy of Config.Roles, or the default.
func rolesOrDefault(roles []string, first string) []string {
	if len(roles) > 0 {
		return slices.Clone(roles)
	}
	roles = []string{roleMember, roleAdmin}
	if !slices.Contains(roles, first) {
		roles = append(roles, first)
	}
	return roles
}

// badRoles returns what is wrong with Config.Roles, or "".
func (c *Config) badRoles() string {
	if len(c.Roles) > maxRoles {
		return fmt.Sprintf("there are more than %d", maxRoles)
	}
	for i, role := range c.Roles {
		if role != c.FirstRole && !validRole(role) || slices.Contains(c.Roles[:i], role) {
			return fmt.Sprintf("role %d has not the form of a role, or stands there twice", i+1)
		}
	}
	if c.rank(roleAdmin) < 0 {
		return `"admin" is missing`
	}
	return ""
}

// rank returns the place of a role in Config.Roles, or -1 for a role that is your program's alone.
func (c *Config) rank(role string) int { return slices.Index(c.Roles, role) }

// memberRole is the role of a member for whom nobody has named one. Members can change it.
func (c *Config) memberRole() string {
	if c.rank(roleMember) >= 0 {
		return roleMember
	}
	return c.Roles[0]
}

// isAdmin reports whether who has the role manages an organization: it is "admin" or above.
func (c *Config) isAdmin(role string) bool { return c.rank(role) >= c.rank(roleAdmin) }

// mayInvite reports whether a member with the role own may invite somebody with the role.
func (m *Manager) mayInvite(own, role string) bool {
	rank := m.cfg.rank(role)
	return m.cfg.isAdmin(own) && rank >= 0 && rank <= m.cfg.rank(own)
}

// Roles returns Config.Roles, the lowest first. It is for forms that let an admin choose one.
func (m *Manager) Roles() []string { return slices.Clone(m.cfg.Roles) }

// memberLimit is how many changes of members one admin makes. It bounds what a stolen session of an
// admin can do to an organization. It is the admin's own, so another admin can end that.
var memberLimit = store.Limit{Burst: 100, Every: 10 * time.Second}

func memberBudget(uid string) budget {
	return budget{name: "members", key: userKey(uid, "members"), limit: memberLimit}
}
