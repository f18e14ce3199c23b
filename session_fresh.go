package auth

import (
	"context"
	"errors"

	"github.com/datixlab/auth/store"
)

// proveFresh is reauthenticate for a call by which an attacker could keep an account, such as a
// change of the address. If a second factor is on and the login is not fresh, it needs the
// password and a code. Action names the call in events.
func (m *Manager) proveFresh(ctx context.Context, id Identity, c *principal, f *factors, action string) error {
	if c.acct.Rec.Enrolment == "" || f.code == "" && m.fresh(c) {
		return m.reauthenticate(ctx, id, c, &f.pass, f.password)
	}
	if f.password == "" || f.code == "" {
		return m.refuseStale(ctx, id)
	}
	err := m.proveFactors(ctx, id, c, f, action, func(context.Context) ([]store.Op, error) {
		return []store.Op{c.acct.Unchanged(), c.session.Unchanged(), f.totp.Put()}, nil
	})
	if errors.Is(err, ErrTwoFactorNotEnabled) { // turned off meanwhile, so no code is right
		return ErrInvalidCredentials
	}
	if isBackupCode(f.code) {
		e := id.event(EventBackupCodeUsed)
		e.Action = action
		m.reportBackupCode(ctx, err, e, &c.acct.Rec, f.totp.Rec.Active.Backup.left())
	}
	return err
}
