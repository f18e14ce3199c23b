package auth

import (
	"context"
	"strings"

	"github.com/datixlab/auth/internal/otp"
	"github.com/datixlab/auth/internal/record"
)

// tidyCode returns code as it was made, without what people type in it and what programs show
// in it. These are ASCII white space, '-', '.' and '_'. In a backup code, an O is read as 0,
// and an I or l as 1: the codes are digits, so no other code is meant. Nothing outside ASCII
// is read as a digit or as a space. Whether a code was used before is judged by its step or
// tag, never by its text.
func tidyCode(code Secret) Secret {
	digits := separators.Replace(string(code))
	if backupLength(len(digits)) {
		digits = lookalikes.Replace(digits)
	}
	return Secret(digits)
}

var (
	separators = strings.NewReplacer(" ", "", "\t", "", "\n", "", "\v", "", "\f", "", "\r", "", "-", "", ".", "", "_", "")
	lookalikes = strings.NewReplacer("O", "0", "o", "0", "I", "1", "i", "1", "L", "1", "l", "1")
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

// codeEvent returns the event of a code of the identity's that was refused.
func (id Identity) codeEvent(action, reason string) Event {
	e := id.event(EventSecondFactorFailed)
	e.Action, e.Reason = action, reason
	return e
}

// spendCode reports whether code, which is well formed, is an unspent code of the account's
// active factor, and marks it as spent in t. The Commit that writes t spends it. For a code
// that is refused, proof has the reason.
func (m *Manager) spendCode(ctx context.Context, uid string, a *account, t *totpRecord, code Secret, proof *codeCheck) (ok bool, err error) {
	f := &t.Active
	if f.ID == "" || f.ID != a.Enrolment {
		return false, unavailable(record.ErrDamaged)
	}
	proof.reason = wrong
	defer func() {
		if !ok && err == nil {
			noteWrong(ctx)
		}
	}()
	if isBackupCode(code) {
		return m.spendBackupCode(ctx, &f.Backup, code, proof)
	}
	secret, current, err := m.openActive(uid, f)
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
