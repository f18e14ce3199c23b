package httpauth

import (
	"net/url"
	"reflect"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/internal/printable"
)

// importUserBody describes one line of users.ndjson. [auth.ParseImportedUser] reads it, which
// refuses a member that it does not know.
type importUserBody struct {
	Email            string       `json:"email" input:"email" example:"ada@example.com"`
	EmailVerified    *bool        `json:"email_verified" doc:"That the other system has proof that the user reads the mail of the email."`
	FullName         *string      `json:"full_name" input:"name" doc:"Without it the part of the email before its @."`
	PasswordHash     *auth.Secret `json:"password_hash" doc:"The hash of the other system. One of an unknown scheme, or of too high a cost, is dropped."`
	TOTPSecret       *auth.Secret `json:"totp_secret" doc:"The secret of the authenticator in base32. The second factor is on at once."`
	Role             *string      `json:"role" example:"member"`
	OrganizationID   *string      `json:"organization_id" example:"org_1a2b3c" doc:"An organization that exists. Without it the user has one of their own."`
	OrganizationName *string      `json:"organization_name" input:"name" doc:"The name of the user's own organization."`
	Disabled         *bool        `json:"disabled"`
	CreatedAt        *string      `json:"created_at" example:"2026-01-15T10:30:00Z" doc:"RFC 3339. Without it now."`
}

type importQuery struct {
	DryRun bool `query:"dry_run" doc:"true: checks the line and changes nothing."`
}

type importedUser struct {
	User        adminUser `json:"user" doc:"Without an id if nothing was changed."`
	DroppedHash *string   `json:"dropped_hash" example:"unknown_scheme" doc:"Why the account has no password although there was a hash: unknown_scheme or too_costly. Otherwise null."`
}

func importUser() endpoint {
	return endpoint{body: reflect.TypeFor[importUserBody](), query: reflect.TypeFor[importQuery](), run: func(c *call) (any, error) {
		var q importQuery
		values, err := parseQuery(c.query)
		if err == nil {
			err = decodeQuery(values, &q)
		}
		if err == nil {
			err = onlyParameter(values, "dry_run")
		}
		if err != nil {
			return nil, err
		}
		u, err := auth.ParseImportedUser(c.body)
		if err != nil {
			return nil, err
		}
		do := c.manager.ImportUser
		if q.DryRun {
			do = c.manager.CheckImport
		}
		done, err := do(c, u)
		if err != nil {
			return nil, err
		}
		return importedUser{adminUserOf(c, done.User), textOrNull(done.DroppedHash)}, nil
	}}
}

// onlyParameter refuses parameters of other names. Where one keeps a call from changing anything, as
// dry_run does, a mistyped name must not be passed over.
func onlyParameter(values url.Values, name string) error {
	for other := range values {
		if other != name {
			return &auth.InputError{Err: auth.ErrInvalidInput, Fields: []auth.FieldError{
				{Field: printable.Clip(other, 100), Code: "unknown_member", Detail: "There is no such parameter."},
			}}
		}
	}
	return nil
}
