package auth

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/datixlab/auth/internal/ident"
	"github.com/datixlab/auth/internal/record"
	"github.com/datixlab/auth/store"
)

const (
	maxTemps     = 10 // logins of one user that may wait for their second factor
	roomyTemps   = 5  // of them from one network, before they use up its budget of passwords
	maxTempTries = 5  // codes that are compared for one of them
	tempSecret   = 32 // bytes of a temp token's secret part
)

// tempRecord has the logins of a user that wait for their second factor. They share a
// record, so that their number is bounded and each is spent in the Commit that spends its
// code.
type tempRecord struct {
	Logins  []pendingLogin
	Firsts  []firstStep   // of Logins, in any order
	Methods []firstMethod // of those Firsts that LoginAs made, in any order
	newer   []byte
}

// A pendingLogin is a login that waits for its second factor.
type pendingLogin struct {
	Digest    []byte // SHA-256 of the token's secret part
	Expires   time.Time
	Epoch     uint64 // of the account, at the password step
	Enrolment string // a code of another enrolment does not complete it
	Tries     uint64 // codes that were compared
	Prefix    string // the address prefix whose password budget the login is charged to
}

// Fields implements [record.Fields].
func (t *tempRecord) Fields(c *record.Codec) {
	record.List(c, &t.Logins, func(l *pendingLogin) {
		c.Bytes(&l.Digest)
		c.Time(&l.Expires)
		c.Uint(&l.Epoch)
		c.String(&l.Enrolment)
		c.Uint(&l.Tries)
		c.String(&l.Prefix)
	})
	record.List(c, &t.Firsts, func(f *firstStep) {
		c.Bytes(&f.Digest)
		c.Uint(&f.Flags)
	})
	record.List(c, &t.Methods, func(f *firstMethod) {
		c.Bytes(&f.Digest)
		c.String(&f.Method)
	})
	c.Rest(&t.newer)
}

func tempRow(uid string) record.Row[tempRecord] { return record.New[tempRecord](tempKey(uid)) }

// prune removes the logins that can no longer be completed.
func (t *tempRecord) prune(acct *account, now time.Time) {
	t.Logins = slices.DeleteFunc(t.Logins, func(w pendingLogin) bool {
		return !now.Before(w.Expires) || w.Epoch != acct.Epoch || w.Enrolment != acct.Enrolment
	})
}

// dropOne removes the oldest login from a network that was not known or, without one, the oldest.
// So a thief of the password does not push out the logins of the owner at home.
func (t *tempRecord) dropOne() {
	i := slices.IndexFunc(t.Logins, func(w pendingLogin) bool { return !t.first(w.Digest).has(firstKnown) })
	i = max(i, 0)
	t.Logins = slices.Delete(t.Logins, i, i+1)
}

// hasRoom reports whether few logins wait from the network. Those and as many as its budget of
// passwords admits at once push no other out.
func (t *tempRecord) hasRoom(prefix string) bool {
	n := 0
	for _, w := range t.Logins {
		if w.Prefix == prefix {
			n++
		}
	}
	return n <= roomyTemps
}

// find returns the index of the login with this digest, or -1.
func (t *tempRecord) find(digest []byte) int {
	return slices.IndexFunc(t.Logins, func(w pendingLogin) bool {
		return subtle.ConstantTimeCompare(w.Digest, digest) == 1
	})
}

// VerifyTwoFactor is the second step of a login. It takes the temp token that [Manager.Login]
// or [Manager.LoginAs] returned, and a code of the user's authenticator or a backup code. Code and temp token are
// spent in the Commit that makes the session. So each works once, for any number of racing
// calls.
//
// After ErrInvalidToken the login must begin again. After ErrInvalidCode the temp token may be
// tried again, 5 times in all; a malformed code is not counted. White space, '-', '.' and '_'
// in a code are no part of it. The error may also be ErrRateLimited or, for a backup code,
// ErrOverloaded.
func (m *Manager) VerifyTwoFactor(ctx context.Context, tempToken, code Secret) (LoginResult, error) {
	return m.verifyTwoFactor(ctx, tempToken, code, false)
}

// verifyTwoFactor is VerifyTwoFactor, which may also trust the device.
func (m *Manager) verifyTwoFactor(ctx context.Context, tempToken, code Secret, trust bool) (LoginResult, error) {
	defer m.calls.Begin()()
	if err := m.ready(); err != nil {
		return LoginResult{}, err
	}
	uid, digest, ok := m.parseTempToken(tempToken)
	if !ok {
		return LoginResult{}, m.refuseTemp(ctx, Event{Reason: malformed})
	}
	step := secondStep{uid: uid, digest: digest, trust: trust}
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
	if code = tidyCode(code); !wellFormedCode(code) {
		failed.Reason = malformed
		m.emit(ctx, failed)
		return LoginResult{}, ErrInvalidCode
	}
	if step.first.has(firstPreferred) { // its login took the place that the account has
		ctx = withPreferredLane(ctx)
	}
	var result LoginResult
	budgets := append(m.addressBudgets(ctx), m.codeBudgets(uid, step.prefix, step.first.has(firstKnown))...)
	err := m.throttled(ctx, uid, budgets, func(ctx context.Context) (bool, error) {
		if err := m.countTry(ctx, &step); err != nil {
			return false, overtakenLogin(beforeChange(err))
		}
		var err error
		result, failed.Reason, err = m.completeLogin(ctx, &step, code)
		if errors.Is(err, ErrInvalidCode) {
			m.emit(ctx, failed)
			m.notifyWrongCode(ctx, uid, &step.acct.Rec, step.first.amr()[0])
		}
		return err == nil, overtakenLogin(err)
	})
	if errors.Is(err, ErrInvalidToken) { // spent or ended by another call
		return LoginResult{}, m.refuseTemp(ctx, Event{UserID: failed.UserID, OrganizationID: failed.OrganizationID, Reason: "ended"})
	}
	if isBackupCode(code) {
		m.reportBackupCode(ctx, err, Event{
			Actor: result.session, UserID: failed.UserID, OrganizationID: failed.OrganizationID,
			SessionID: result.session, Action: "login",
		}, &step.acct.Rec, step.totp.Rec.Active.Backup.left())
	}
	if step.trust {
		m.reportDevice(ctx, err, &step, result.session)
	}
	if err != nil {
		return LoginResult{}, err
	}
	m.settleFirstStep(ctx, &step, result)
	return result, nil
}

// overtakenLogin returns err for settle. ErrInvalidToken says that another call has spent or
// ended the login: no code was compared, or it was right.
func overtakenLogin(err error) error {
	if errors.Is(err, ErrInvalidToken) {
		return overtaken{err}
	}
	return err
}

// refuseTemp returns ErrInvalidToken for a temp token and emits the reason in e.
func (m *Manager) refuseTemp(ctx context.Context, e Event) error {
	e.Type = EventTempTokenRefused
	m.emit(ctx, e)
	return ErrInvalidToken
}

// A secondStep is a login that waits for its second factor, with the records as they were
// last read or written.
type secondStep struct {
	uid    string
	digest []byte
	prefix string // address prefix of the password step
	first  firstStep
	trust  bool // also trust the device
	index  int  // of the login in temps
	acct   record.Row[account]
	totp   record.Row[totpRecord]
	temps  record.Row[tempRecord]
}

func (s *secondStep) login() *pendingLogin { return &s.temps.Rec.Logins[s.index] }

// over reports whether the login has expired since it was read.
func (s *secondStep) over(now time.Time) bool { return !now.Before(s.login().Expires) }

// readSecondStep reads the records of s at one instant. It returns ErrInvalidToken if the login
// has ended.
func (m *Manager) readSecondStep(ctx context.Context, s *secondStep) error {
	s.acct = accountRow(s.uid)
	s.totp = totpRow(s.uid)
	s.temps = tempRow(s.uid)
	if err := m.records.Read(ctx, &s.acct, &s.totp, &s.temps); err != nil {
		return err
	}
	s.temps.Rec.prune(&s.acct.Rec, m.now())
	s.index = s.temps.Rec.find(s.digest)
	if s.index < 0 || !s.acct.Exists() || !s.acct.Rec.usable() || s.acct.Rec.Enrolment == "" {
		return ErrInvalidToken
	}
	s.prefix, s.first = s.login().Prefix, s.temps.Rec.first(s.digest)
	return nil
}

// writeTemps returns the operation that writes the pending logins that are left.
func (s *secondStep) writeTemps() store.Op {
	if len(s.temps.Rec.Logins) == 0 {
		return s.temps.Remove()
	}
	s.temps.Rec.pruneFirsts()
	last := s.temps.Rec.Logins[len(s.temps.Rec.Logins)-1]
	return s.temps.Put().Until(last.Expires)
}

// countTry counts one of the temp token's tries, before the code is compared. On success s has
// the records as they were written. It returns ErrInvalidToken if no try is left.
func (m *Manager) countTry(ctx context.Context, s *secondStep) error {
	return m.records.RetryFrom(ctx, userPartition(s.uid), func() error { return m.readSecondStep(ctx, s) }, func() error {
		if s.login().Tries >= maxTempTries || s.over(m.now()) {
			return ErrInvalidToken
		}
		s.login().Tries++
		return m.records.Write(ctx, &s.temps, s.writeTemps())
	})
}

// completeLogin spends code and temp token and makes the session, in one Commit. If the error
// is ErrInvalidCode, refused says what is wrong with the code.
func (m *Manager) completeLogin(ctx context.Context, s *secondStep, code Secret) (result LoginResult, refused string, err error) {
	second, proof := []string{"otp", "mfa"}, codeCheck{}
	if isBackupCode(code) {
		second = second[1:]
	}
	if err := m.tagBackupCode(ctx, &s.totp.Rec.Active.Backup, code, &proof); err != nil {
		return result, "", err
	}
	err = m.records.RetryFrom(ctx, userPartition(s.uid), func() error { return m.readSecondStep(ctx, s) }, func() error {
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
		ops := []store.Op{s.totp.Put(), s.writeTemps()}
		var device Secret
		var until time.Time
		if s.trust {
			var trust store.Op
			if device, until, trust, err = m.trustDevice(ctx, s.uid, &s.acct.Rec); err != nil {
				return err
			}
			ops = append(ops, trust)
		}
		if result, err = m.startSession(ctx, s.uid, &s.acct, s.first.amr(second...), s.first, ops...); err == nil {
			result.DeviceToken, result.DeviceTokenExpiresAt = device, until
		}
		return err
	})
	return result, proof.reason, err
}

// newTempToken makes a temp token: 256 random bits and the digits of the user, sealed
// together. The user's partition has the record of it, written in one Commit with own, which
// requires the account as it was read. It returns store.ErrConflict if the account has changed.
func (m *Manager) newTempToken(ctx context.Context, uid string, acct *record.Row[account], own store.Op, first firstStep) (result LoginResult, err error) {
	secret := make([]byte, tempSecret)
	_, _ = rand.Read(secret)
	digest := sha256.Sum256(secret)
	now := m.now()
	temps := tempRow(uid)
	if err := m.records.Read(ctx, &temps); err != nil {
		return result, err
	}
	temps.Rec.prune(&acct.Rec, now)
	for len(temps.Rec.Logins) >= maxTemps {
		temps.Rec.dropOne()
	}
	temps.Rec.Logins = append(temps.Rec.Logins, pendingLogin{
		Digest: digest[:], Expires: now.Add(m.cfg.TempTokenTTL), Epoch: acct.Rec.Epoch,
		Enrolment: acct.Rec.Enrolment, Prefix: clientPrefix(ctx),
	})
	temps.Rec.addFirst(digest[:], first)
	temps.Rec.pruneFirsts()
	if err := m.records.Commit(ctx, own, temps.Put().Until(now.Add(m.cfg.TempTokenTTL))); err != nil {
		return result, err
	}
	sealed := m.keys.Seal(labelTemp, slices.Concat(secret, []byte(uid)), nil)
	return LoginResult{
		TempToken: Secret(tempPrefix + base64.RawURLEncoding.EncodeToString(sealed)), TempTokenExpiresAt: now.Add(m.cfg.TempTokenTTL).UTC(),
		hasRoom: temps.Rec.hasRoom(clientPrefix(ctx)),
	}, nil
}

// parseTempToken returns the user and the digest of a temp token. It returns false unless a
// Manager with one of these Config.Secrets made the token.
func (m *Manager) parseTempToken(token Secret) (uid string, digest []byte, ok bool) {
	if len(token) > 512 {
		return "", nil, false
	}
	text, ok := strings.CutPrefix(string(token), tempPrefix)
	if !ok {
		return "", nil, false
	}
	sealed, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || strings.ContainsAny(text, "\r\n") { // the decoder ignores line breaks
		return "", nil, false
	}
	plain, _, err := m.keys.Open(labelTemp, sealed, nil)
	if err != nil || len(plain) != tempSecret+ident.TimedLen {
		return "", nil, false
	}
	d := sha256.Sum256(plain[:tempSecret])
	return string(plain[tempSecret:]), d[:], true
}
