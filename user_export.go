package auth

import (
	"context"

	"github.com/datixlab/auth/internal/record"
)

// An Export is what the store has of a user, for the user. It has no secret.
type Export struct {
	User           User
	TwoFactor      TwoFactorStatus
	Sessions       []Session       // as [Manager.Sessions] returns them
	TrustedDevices []TrustedDevice // as [Manager.TrustedDevices] returns them
	APIKeys        []APIKey        // as [Manager.APIKeys] returns them
	Networks       []string        // that the account is known to log in from: IPv4 addresses and IPv6 /64, the latest last
	Organization   Organization
}

// ExportAccount returns what the store has of the caller. It needs a fresh login, or the password
// and, where a second factor is on, a code of it. The address gets a notice, since the export
// shows a thief where its owner logs in from. The error is ErrReauthenticationRequired if the
// proof is missing, ErrInvalidCredentials if it is wrong, or ErrRateLimited: one user has 60
// exports and changes of the profile at once, and one more a second.
func (m *Manager) ExportAccount(ctx context.Context, id Identity, password, code Secret) (Export, error) {
	defer m.calls.Begin()()
	f := newFactors(id, password, code)
	c, err := m.loadPrincipal(ctx, id, &f.pass, &f.totp)
	if err != nil {
		return Export{}, err
	}
	charge := func(context.Context) error { return m.chargeChange(ctx, c.uid) }
	if err := m.proveFresh(ctx, id, c, f, "export", charge); err != nil {
		return Export{}, err
	}
	x := Export{User: m.user(id.User.ID, &c.acct.Rec)}
	var known record.Row[knownNetworks]
	for _, read := range []func() error{
		func() (err error) { x.TwoFactor, err = m.TwoFactorStatus(ctx, id.User.ID); return err },
		func() (err error) { x.Sessions, err = m.Sessions(ctx, id.User.ID); return err },
		func() (err error) { x.TrustedDevices, err = m.TrustedDevices(ctx, id.User.ID); return err },
		func() (err error) { x.APIKeys, err = m.UserAPIKeys(ctx, id.User.ID); return err },
		func() (err error) { x.Organization, err = m.Organization(ctx, x.User.OrganizationID); return err },
		func() (err error) { known, err = m.readKnown(ctx, c.emailDigest()); return err },
	} {
		if err := read(); err != nil {
			return Export{}, err
		}
	}
	if known.Rec.User == c.uid {
		x.Networks = known.Rec.Prefixes
	}
	m.report(ctx, nil, id.event(EventDataExported), accountNotice(EventDataExported, c.uid, &c.acct.Rec, c.acct.Rec.Email))
	return x, nil
}
