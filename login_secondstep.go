package auth

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/datixlab/auth/internal/emailaddr"
	"github.com/datixlab/auth/internal/parallel"
	"github.com/datixlab/auth/internal/record"
	"github.com/datixlab/auth/store"
)

// VerifyTwoFactor is the second step of a login: the temp token that [Manager.Login]
// returned, with a code of the user's authenticator or a backup code. Code and temp
// token are spent in the Commit that makes the session, so each works once,
// whatever the number of racers. ErrInvalidToken says that the login must begin
// anew; ErrInvalidCode, that the temp token may be tried again, 5 times in all.
func (m *Manager) VerifyTwoFactor(ctx context.Context, tempToken, code Secret) (LoginResult, error) {
	if err := m.ready(); err != nil {
		return LoginResult{}, err
	}
	uid, digest, ok := m.parseTempToken(tempToken)
	if !ok {
		return LoginResult{}, m.refuseTemp(ctx, Event{Reason: malformed})
	}
	step := secondStep{uid: uid, digest: digest}
	if err := m.readSecondStep(ctx, &step); err != nil {
		if errors.Is(err, ErrInvalidToken) {
			return LoginResult{}, m.refuseTemp(ctx, Event{UserID: userIDOf(uid), OrganizationID: step.acct.Rec.Org, Reason: "ended"})
		}
		return LoginResult{}, err
	}
	failed := Event{Type: EventSecondFactorFailed, UserID: userIDOf(uid), OrganizationID: step.acct.Rec.Org, Action: "login"}
	if step.login().Tries >= maxTempTries {
		return LoginResult{}, m.refuseTemp(ctx, Event{UserID: failed.UserID, OrganizationID: failed.OrganizationID, Reason: "tries"})
	}
	if !wellFormedCode(code) {
		failed.Reason = malformed
		m.emit(ctx, failed)
		return LoginResult{}, ErrInvalidCode
	}
	prefix := clientPrefix(ctx)
	var result LoginResult
	budgets := append([]budget{m.addressBudget(prefix)}, m.codeBudgets(uid)...)
	err := m.throttled(ctx, uid, budgets, func() (bool, error) {
		if err := m.countTry(ctx, &step); err != nil {
			return false, err
		}
		var err error
		result, failed.Reason, err = m.completeLogin(ctx, &step, code)
		if errors.Is(err, ErrInvalidCode) {
			m.emit(ctx, failed)
			m.notifyAccount(ctx, EventSecondFactorFailed, uid, &step.acct.Rec, step.acct.Rec.Email)
		}
		return err == nil, err
	})
	if errors.Is(err, ErrInvalidToken) { // spent beside this call
		return LoginResult{}, m.refuseTemp(ctx, Event{UserID: failed.UserID, OrganizationID: failed.OrganizationID, Reason: "ended"})
	}
	if err != nil {
		return LoginResult{}, err
	}
	if isBackupCode(code) {
		m.emitBackupCode(ctx, Event{
			Actor: result.session, UserID: result.User.ID, OrganizationID: result.User.OrganizationID,
			SessionID: result.session, Action: "login",
		}, &step.acct.Rec, step.totp.Rec.Active.Backup.left())
	}
	if canonical, ok := emailaddr.Canonical(step.acct.Rec.Email); ok { // what the password step was charged
		digest := emailDigest(canonical)
		parallel.Do(
			func() {
				m.refund(ctx, []budget{m.accountAddressBudget(digest, step.prefix), m.accountBudget(digest)}, true)
			},
			func() {
				if _, known, err := m.emailOwner(ctx, digest); err == nil {
					m.noteNetwork(ctx, known, step.prefix, result)
				}
			},
		)
	}
	return result, nil
}

// refuseTemp returns ErrInvalidToken for a temp token, and says to the audit why.
func (m *Manager) refuseTemp(ctx context.Context, e Event) error {
	e.Type = EventTempTokenRefused
	m.emit(ctx, e)
	return ErrInvalidToken
}

// secondStep is a login that waits for its second factor, as it was last read.
type secondStep struct {
	uid    string
	digest []byte
	prefix string // where the first step came from
	index  int    // of the login in temps
	acct   record.Row[account]
	totp   record.Row[totpRecord]
	temps  record.Row[tempRecord]
}

func (s *secondStep) login() *pendingLogin { return &s.temps.Rec.Logins[s.index] }

// over reports whether the login has ended since it was read.
func (s *secondStep) over(now time.Time) bool { return !now.Before(s.login().Expires) }

func (m *Manager) readSecondStep(ctx context.Context, s *secondStep) error {
	s.acct = accountRow(s.uid)
	s.totp = totpRow(s.uid)
	s.temps = tempRow(s.uid)
	if err := m.records.Read(ctx, &s.acct, &s.totp, &s.temps); err != nil {
		return err
	}
	s.temps.Rec.prune(&s.acct.Rec, m.now())
	s.index = s.temps.Rec.find(s.digest)
	if s.index < 0 || !s.acct.Exists() || !s.acct.Rec.open() || s.acct.Rec.Enrolment == "" {
		return ErrInvalidToken
	}
	s.prefix = s.login().Prefix
	return nil
}

// writeTemps is the operation that puts what is left of the user's waiting logins.
func (s *secondStep) writeTemps() store.Op {
	if len(s.temps.Rec.Logins) == 0 {
		return s.temps.Remove()
	}
	last := s.temps.Rec.Logins[len(s.temps.Rec.Logins)-1]
	return s.temps.Put().Until(last.Expires)
}

// countTry takes one of the temp token's tries, before the code is looked at and
// whatever comes of it. It leaves in s what the store has then.
func (m *Manager) countTry(ctx context.Context, s *secondStep) error {
	return m.records.RetryFrom(ctx, func() error { return m.readSecondStep(ctx, s) }, func() error {
		if s.login().Tries >= maxTempTries || s.over(m.now()) {
			return ErrInvalidToken
		}
		s.login().Tries++
		return m.records.Write(ctx, &s.temps, s.writeTemps())
	})
}

// completeLogin spends code and temp token and makes the session, in one Commit. Where
// it returns ErrInvalidCode, refused says what is wrong with the code.
func (m *Manager) completeLogin(ctx context.Context, s *secondStep, code Secret) (result LoginResult, refused string, err error) {
	amr, proof := byTOTP, codeCheck{}
	if isBackupCode(code) {
		amr = byBackupCode
	}
	err = m.records.RetryFrom(ctx, func() error { return m.readSecondStep(ctx, s) }, func() error {
		if s.over(m.now()) {
			return ErrInvalidToken
		}
		ok, err := m.spendCode(ctx, s.uid, &s.acct.Rec, &s.totp.Rec, code, &proof)
		if err != nil {
			return err
		}
		if !ok {
			return ErrInvalidCode
		}
		s.temps.Rec.Logins = slices.Delete(s.temps.Rec.Logins, s.index, s.index+1)
		result, err = m.startSession(ctx, s.uid, &s.acct, amr, s.totp.Put(), s.writeTemps())
		return err
	})
	return result, proof.reason, err
}
