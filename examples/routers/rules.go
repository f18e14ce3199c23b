package main

import (
	"github.com/datixlab/auth"
	"github.com/datixlab/auth/httpauth"
)

// ownOrganization is a rule: the path names the organization of the caller. It works on
// every router of this program.
func ownOrganization(a httpauth.Access) error {
	if a.Request.PathValue("organization") != a.Identity.User.OrganizationID {
		return auth.ErrForbidden
	}
	return nil
}
