package auth

import (
	"context"

	"github.com/datixlab/auth/internal/otp"
	"github.com/datixlab/auth/internal/record"
)

// wellFormedCode reports whether code has the form of a TOTP or backup code.
func wellFormedCode(code Secret) bool {
	return len(code) == otp.Digits && otp.IsDigits(string(code)) || isBackupCode(code)
}

// A codeCheck keeps the tag of a call's code from one attempt to the next, since a tag costs a
// hash.
type codeCheck struct {
	salt []byte // of the set that tag was computed for
	tag  []byte

	reason string // what is wrong with a code that was refused, for events
}

// The reasons of events for a code or a credential that was refused.
const (
	malformed = "malformed"
	wrong     = "wrong"
	replayed  = "replayed"
)

// codeReason returns what is wrong with a code that matches nothing.
func codeReason(code Secret) string {
	if wellFormedCode(code) {
		return wrong
	}
	return malformed
}

// codeEvent returns the event of a code of the identity's that was refused.
func (id Identity) codeEvent(action, reason string) Event {
	e := id.event(EventSecondFactorFailed)
	e.Action, e.Reason = action, reason
	return e
}

// spendCode reports whether code is an unspent code of the account's active factor, and marks
// it as spent in t. The Commit that writes t spends it. For a code that is refused, proof has
// the reason.
func (m *Manager) spendCode(ctx context.Context, uid string, a *account, t *totpRecord, code Secret, proof *codeCheck) (ok bool, err error) {
	f := &t.Active
	if f.ID == "" || f.ID != a.Enrolment {
		return false, unavailable(record.ErrDamaged)
	}
	proof.reason = codeReason(code)
	if proof.reason == malformed {
		return false, nil
	}
	if isBackupCode(code) {
		return m.spendBackupCode(ctx, &f.Backup, code, proof)
	}
	secret, _, current, err := m.openFactor(uid, f.ID, f.Sealed)
	if err != nil {
		return false, err
	}
	step, ok := otp.Match(secret, string(code), 0, m.now())
	if !ok {
		return false, nil
	}
	if step <= f.LastStep {
		proof.reason = replayed
		return false, nil
	}
	f.LastStep = step
	if !current {
		f.Sealed = m.sealFactor(uid, f.ID, secret)
	}
	return true, nil
}
