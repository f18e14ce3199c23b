package auth

import (
	"errors"
	"fmt"
	"time"
)

// The errors of a Manager's methods; compare with [errors.Is]. The HTTP status is the one
// that package httpauth answers with. No text has a secret or an email address.
// ErrUnavailable wraps the error of the store or the signer, which is for the operator's log
// and not for clients.
var (
	// ErrInvalidInput reports input that is malformed. The error is an *InputError
	// that names the fields. HTTP 400.
	ErrInvalidInput = errors.New("auth: invalid input")

	// ErrWeakPassword reports a new password that is refused, by
	// Config.PasswordMinLength, PasswordBlocklist or PasswordChecker. The error is an
	// *InputError whose first field has the code: too_short, too_long, blocked,
	// required, or invalid, which is not valid text. HTTP 400.
	ErrWeakPassword = errors.New("auth: password refused")

	// ErrInvalidCredentials reports that email and password do not prove the account, or
	// that the password or code that a call asks for again does not. It is the same for
	// an unknown, a disabled and a deleted account. HTTP 401.
	ErrInvalidCredentials = errors.New("auth: invalid credentials")

	// ErrInvalidToken reports an access token, API key or temp token that is rejected. It
	// is malformed, unknown, expired, used, superseded, revoked or disabled, or its user is
	// disabled or deleted. HTTP 401.
	ErrInvalidToken = errors.New("auth: invalid token")

	// ErrInvalidOneTimeToken reports a token of a mail that is malformed, wrong, used or
	// expired, or that is of another purpose, account or address. It says nothing about any
	// session. HTTP 400.
	ErrInvalidOneTimeToken = errors.New("auth: invalid one-time token")

	// ErrEmailNotVerified reports a login that was proven, by the right password for
	// instance, to an account whose address is not verified. It is for
	// Config.RequireVerifiedEmail, and for rules of your own. HTTP 403.
	ErrEmailNotVerified = errors.New("auth: email not verified")

	// ErrInvalidCode reports a second-factor code that is malformed, wrong or
	// used. HTTP 401.
	ErrInvalidCode = errors.New("auth: invalid code")

	// ErrReauthenticationRequired reports a sensitive call from a session whose login is
	// not fresh (Config.FreshLogin). The password is missing, or the code that is needed
	// beside it, or the account has no password. HTTP 403; from PATCH /me, me/export,
	// change-password, disable-2fa, backup-codes, delete-account, the calls for members and the
	// rules of package httpauth it is 401 with a challenge.
	ErrReauthenticationRequired = errors.New("auth: reauthentication required")

	// ErrForbidden reports a call that this kind of identity may not make, such as an API key that
	// tries to manage credentials, or a role that the caller may not give or change. HTTP 403.
	ErrForbidden = errors.New("auth: forbidden")

	// ErrTwoFactorSetupRequired reports a valid credential of a user without a second
	// factor, where Config.TwoFactorPolicy or a rule of package httpauth requires one.
	// The user must set one up first. HTTP 403.
	ErrTwoFactorSetupRequired = errors.New("auth: a second factor must be set up")

	// ErrRegistrationClosed reports that nobody can register without an invitation that works, by
	// Config.NoRegistration.
	// HTTP 403.
	ErrRegistrationClosed = errors.New("auth: registration is closed")

	// ErrAPIKeyLimit reports that the user has Config.MaxAPIKeys API keys. HTTP 403.
	ErrAPIKeyLimit = errors.New("auth: too many API keys")

	// ErrAPIKeyNotActive reports an API key that cannot be rotated: it has expired, is
	// disabled or was replaced before. HTTP 409.
	ErrAPIKeyNotActive = errors.New("auth: API key is not active")

	// ErrNotFound reports an id that does not exist or is another user's. HTTP 404.
	ErrNotFound = errors.New("auth: not found")

	// ErrEmailTaken reports an email address that another account has, or that another
	// registration or change has claimed. HTTP 409.
	ErrEmailTaken = errors.New("auth: email already registered")

	// ErrLastAdmin reports a call that would leave the other members of an organization
	// without an enabled admin. HTTP 409.
	ErrLastAdmin = errors.New("auth: the last admin of the organization")

	// ErrAlreadyMember reports an invitation for the address of a member. HTTP 409.
	ErrAlreadyMember = errors.New("auth: already a member of the organization")

	// ErrInvitationLimit reports that 100 invitations of the organization wait. HTTP 409.
	ErrInvitationLimit = errors.New("auth: too many invitations")

	// ErrOrganizationNotEmpty reports that a user with an invitation cannot leave their
	// organization: it has other members. HTTP 409.
	ErrOrganizationNotEmpty = errors.New("auth: the organization has other members")

	// ErrTwoFactorEnabled reports that two-factor authentication is on already. HTTP 409.
	ErrTwoFactorEnabled = errors.New("auth: two-factor authentication is already enabled")

	// ErrTwoFactorNotEnabled reports that two-factor authentication is not on, or that
	// there is no setup to confirm. HTTP 400.
	ErrTwoFactorNotEnabled = errors.New("auth: two-factor authentication is not enabled")

	// ErrUnsupported reports a call that the store or the configuration does not have what it takes
	// for, such as a list of all users on a store that is no store.Walker. HTTP 501.
	ErrUnsupported = errors.New("auth: not supported by the store or the configuration")

	// ErrCursorGone reports the cursor of a page whose list can only be begun again: it is of a
	// Manager that was closed since, or of another process, or the store has changed its shape.
	// HTTP 410.
	ErrCursorGone = errors.New("auth: the list must be begun again")

	// ErrRateLimited reports an attempt that exceeds Config.Limits or a limit of the
	// method, or a code after 100 wrong ones in a row. Nothing was changed, and what the
	// limit is for was not compared. The error is a *RetryError. HTTP 429.
	ErrRateLimited = errors.New("auth: too many attempts")

	// ErrOverloaded reports that there was no free slot to hash a password or to draw a QR
	// code: the queue was full, or none came free within Config.HashWait. Nothing was
	// decided. The error is a *RetryError. HTTP 503.
	ErrOverloaded = errors.New("auth: overloaded")

	// ErrUnavailable reports that the store did not answer within Config.StoreTimeout or
	// failed, that a record is damaged, or that Config.SigningKey did not sign. It is also
	// returned if too many changes of one account are made at the same time. Nothing is
	// granted. A change may have been made or not. HTTP 503.
	ErrUnavailable = errors.New("auth: unavailable")

	// ErrClosed reports a call on a Manager after its Close. HTTP 503.
	ErrClosed = errors.New("auth: manager closed")
)

// A RetryError says when to try again. With [errors.Is] it matches ErrRateLimited or
// ErrOverloaded.
type RetryError struct {
	Err   error         // ErrRateLimited or ErrOverloaded
	After time.Duration // more than zero
}

// Error returns the text of Err.
func (e *RetryError) Error() string { return e.Err.Error() }

// Unwrap returns Err.
func (e *RetryError) Unwrap() error { return e.Err }

// unavailable returns ErrUnavailable with its cause. The cause is for errors.Is and the
// operator's log. Package httpauth never sends it to a client.
func unavailable(cause error) error { return fmt.Errorf("%w: %w", ErrUnavailable, cause) }
