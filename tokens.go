package auth

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/datixlab/auth/store"
)

// An AccessToken is what a client sends with its requests: a JWT (RFC 7519, typed
// as in RFC 9068) that belongs to one session.
type AccessToken struct {
	Token     Secret
	ExpiresIn time.Duration // from now
	ExpiresAt time.Time     // UTC
}

// maxRetired bounds how many superseded tokens of a session are within their grace
// at once.
const maxRetired = 16

// mint signs the session's current token, or returns ErrUnavailable. The same state of
// session and account gives the same claims, and so the same token where signing draws
// no random number (ES256 does).
func (m *Manager) mint(ctx context.Context, uid, sid string, a *account, s *sessionRecord) (AccessToken, error) {
	issued := s.Issued.Truncate(time.Second)
	expires := issued.Add(m.cfg.AccessTokenTTL)
	if expires.After(s.Expires) {
		expires = s.Expires.Truncate(time.Second)
	}
	token, err := m.signer.token(ctx, payload{
		claims: claims{
			Issuer: m.cfg.Issuer, Audience: m.cfg.Audience,
			Subject: userPrefix + uid, Session: sessionPrefix + sid, ID: s.Token,
			Issued: issued.Unix(), From: issued.Unix(), Expires: expires.Unix(),
		},
		AuthTime: s.Created.Unix(), AMR: s.AMR, Org: a.Org, Role: a.Role,
		Enrols: m.cfg.TwoFactorPolicy.enrolmentOnly(a.user(userPrefix+uid), s.Issued),
	})
	return AccessToken{Token: token, ExpiresIn: expires.Sub(issued), ExpiresAt: expires.UTC()}, err
}

// VerifyAccessToken returns who the token speaks for, or ErrInvalidToken, or
// ErrTwoFactorSetupRequired if Config.TwoFactorPolicy leaves the session nothing but to set
// up a second factor, or ErrUnavailable if the store could not say. It reads the
// session and the account at the time of the call, or knows from the store that they
// are what it last read: what has been revoked, disabled or changed anywhere is seen at
// once, or as late as the store lets its host choose ([store.Stamper]). The identity's role and profile are the account's,
// not the token's.
func (m *Manager) VerifyAccessToken(ctx context.Context, token Secret) (Identity, error) {
	id, err := m.VerifyForEnrollment(ctx, token)
	if err == nil && id.EnrollmentOnly {
		m.ReportDenied(ctx, id, "two_factor_setup_required")
		return Identity{}, ErrTwoFactorSetupRequired
	}
	return id, err
}

// VerifyForEnrollment is [Manager.VerifyAccessToken] for the few routes on which a user
// sets up a second factor: where that is all that the session may do, it returns who
// the token speaks for all the same, with Identity.EnrollmentOnly set. Nothing that
// the policy protects may be granted on its word.
func (m *Manager) VerifyForEnrollment(ctx context.Context, token Secret) (Identity, error) {
	if err := m.ready(); err != nil {
		return Identity{}, err
	}
	now := m.now()
	at := m.memory.token(string(token))
	if at.known != nil && m.memory.holds(at.known, now) {
		id := at.known.recall()
		id.EnrollmentOnly = m.cfg.TwoFactorPolicy.enrolmentOnly(id.User, now)
		return id, nil
	}
	return m.proveToken(ctx, token, at, now)
}

// proveToken is VerifyForEnrollment where nothing, or no more than the signature, is
// remembered of the token.
func (m *Manager) proveToken(ctx context.Context, token Secret, at place, now time.Time) (Identity, error) {
	t := liveTokens.Get().(*liveToken)
	defer func() {
		t.in = nil // it holds on to ctx
		liveTokens.Put(t)
	}()
	if err := m.readToken(ctx, token, t, at.known, now); err != nil {
		return Identity{}, err
	}
	now = t.read
	s := &t.session.rec
	end, ok := s.accepts(t.claims.ID, now)
	if !ok {
		return Identity{}, m.refuseToken(ctx, t, "superseded")
	}
	id := Identity{
		User: t.acct.rec.user(t.claims.Subject), SessionID: t.claims.Session, AuthTime: s.Created,
		AMR: s.AMR, ExpiresAt: time.Unix(t.claims.Expires, 0).UTC(), tokenID: t.claims.ID,
	}
	if m.memory.wants(at, t.stamped, true, t.in) {
		r := &remembered{
			token: string(token), claims: t.claims, identity: id,
			part: store.Partition(t.acct.key), stamp: t.stamp, stamped: t.stamped,
		}
		r.from, r.until = t.claims.times()
		r.until = min(r.until, nanos(s.Expires), nanos(end))
		m.memory.put(at, r)
	}
	id.EnrollmentOnly = m.cfg.TwoFactorPolicy.enrolmentOnly(id.User, now)
	return id, nil
}

// Authenticate returns who a credential speaks for, an access token or an API key: it
// is [Manager.VerifyAPIKey] for what [Manager.IsAPIKey], else
// [Manager.VerifyAccessToken].
func (m *Manager) Authenticate(ctx context.Context, credential Secret) (Identity, error) {
	if m.IsAPIKey(credential) {
		return m.VerifyAPIKey(ctx, credential)
	}
	return m.VerifyAccessToken(ctx, credential)
}

// A liveToken is a proven, unexpired token with the live session and the open
// account that it belongs to. Whether the session still accepts it is not said.
type liveToken struct {
	claims   claims
	uid, sid string
	acct     row[account]
	session  row[sessionRecord]
	stamp    uint64 // of the store, from before they were read
	stamped  bool
	read     time.Time // when they were
	in       *room     // where the texts are
}

// liveTokens are kept from one check to the next: an Identity holds on to none.
var liveTokens = sync.Pool{New: func() any { return new(liveToken) }}

// readToken fills t from token, or returns ErrInvalidToken or ErrUnavailable. The
// signature need not be proven again where the token is known. Now is when its times are
// looked at.
func (m *Manager) readToken(ctx context.Context, token Secret, t *liveToken, known *remembered, now time.Time) (err error) {
	if known != nil {
		t.claims, t.in = known.claims, newRoom()
	} else if t.in, err = m.tokenKeys.verify(string(token), m.opening, &t.claims); err != nil {
		m.emit(ctx, Event{Type: EventTokenRefused, Reason: malformed})
		return err
	}
	c := &t.claims
	var ok bool
	if t.uid, t.sid, ok = c.ids(); !ok || !c.current(m.cfg.Issuer, m.cfg.Audience, now) {
		t.acct, t.session = row[account]{}, row[sessionRecord]{} // of the token before
		if !ok {
			c.Subject, c.Session = "", "" // no ids of a Manager's, perhaps an address
		}
		return m.refuseToken(ctx, t, "expired")
	}
	t.acct.key, t.session.key = t.in.join("u.", t.uid, "/acct"), t.in.join("u.", t.uid, "/s.", t.sid)
	t.stamp, t.stamped = m.memory.stamp(store.Partition(t.acct.key))
	if err := m.records.readIn(ctx, t.in, &t.acct, &t.session); err != nil {
		return err
	}
	t.read = m.now() // which may be some time later
	if !t.session.rec.alive(&t.acct, t.read) {
		return m.refuseToken(ctx, t, "ended")
	}
	return nil
}

// refuseToken returns ErrInvalidToken for a token whose signature is good, and says
// to the audit why.
func (m *Manager) refuseToken(ctx context.Context, t *liveToken, reason string) error {
	if t.acct.exists() && t.acct.rec.Disabled {
		reason = "disabled"
	}
	m.emit(ctx, Event{
		Type: EventTokenRefused, UserID: t.claims.Subject, OrganizationID: t.acct.rec.Org,
		SessionID: t.claims.Session, Reason: reason,
	})
	return ErrInvalidToken
}

// Refresh exchanges a live token for a new one of the same session, which ends when
// it would have ended. The old token stays good for Config.RefreshGrace; refreshing
// it again within that time returns the same new token (under another signature with
// ES256), so of any number of racers all continue one session. Refreshing a token after its grace is a sign that it
// was copied: the session ends, and the error is ErrInvalidToken.
func (m *Manager) Refresh(ctx context.Context, token Secret) (AccessToken, error) {
	if err := m.ready(); err != nil {
		return AccessToken{}, err
	}
	var fresh AccessToken
	err := retry(ctx, func() error {
		t := new(liveToken)
		err := m.readToken(ctx, token, t, m.memory.token(string(token)).known, m.now())
		if err != nil {
			return err
		}
		now, s := t.read, &t.session
		event := Event{
			Type: EventTokenRefreshed, Actor: t.claims.Session, UserID: t.claims.Subject,
			OrganizationID: t.acct.rec.Org, SessionID: t.claims.Session,
		}
		if _, ok := s.rec.accepts(t.claims.ID, now); !ok {
			if err := m.records.commit(ctx, s.remove()); err != nil {
				return err
			}
			event.Type = EventTokenReused
			m.emit(ctx, event)
			return ErrInvalidToken
		}
		if t.claims.ID != s.rec.Token {
			fresh, err = m.mint(ctx, t.uid, t.sid, &t.acct.rec, &s.rec)
			fresh.ExpiresIn = max(time.Second, fresh.ExpiresAt.Sub(now).Truncate(time.Second))
			return err
		}
		s.rec.retire(now, m.cfg.RefreshGrace)
		s.rec.Token, s.rec.Issued = newRandomID(), now
		if fresh, err = m.mint(ctx, t.uid, t.sid, &t.acct.rec, &s.rec); err != nil {
			return err
		}
		if err := m.records.commit(ctx, t.acct.unchanged(), s.put().Until(s.rec.Expires)); err != nil {
			return err
		}
		m.emit(ctx, event)
		return nil
	})
	if err != nil {
		return AccessToken{}, err
	}
	return fresh, nil
}

// retire supersedes the current token, with grace.
func (s *sessionRecord) retire(now time.Time, grace time.Duration) {
	s.Retired = slices.DeleteFunc(s.Retired, func(r retired) bool { return !now.Before(r.Until) })
	s.Retired = append(s.Retired, retired{s.Token, now.Add(grace)})
	if extra := len(s.Retired) - maxRetired; extra > 0 {
		s.Retired = slices.Delete(s.Retired, 0, extra)
	}
}

// Logout ends the identity's session and every token of it, at once and on every
// instance.
func (m *Manager) Logout(ctx context.Context, id Identity) error {
	uid, sid, err := m.sessionOf(ctx, id)
	if err != nil {
		return err
	}
	if err := m.endSession(ctx, uid, sid); err != nil {
		if errors.Is(err, ErrInvalidToken) {
			m.emit(ctx, id.ended())
		}
		return err
	}
	m.emit(ctx, id.event(EventLoggedOut))
	return nil
}

// sessionOf returns the bare ids of a session's identity. An API key's is refused:
// a key never manages credentials.
func (m *Manager) sessionOf(ctx context.Context, id Identity) (uid, sid string, err error) {
	if err := m.ready(); err != nil {
		return "", "", err
	}
	if id.IsAPIKey() {
		m.ReportDenied(ctx, id, "api_key")
		return "", "", ErrForbidden
	}
	uid, okUser := bareID(id.User.ID, userPrefix, timedLen)
	sid, okSession := bareID(id.SessionID, sessionPrefix, randomLen)
	if !okUser || !okSession {
		return "", "", ErrInvalidToken
	}
	return uid, sid, nil
}
