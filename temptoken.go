package auth

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"slices"
	"strings"
	"time"

	"github.com/datixlab/auth/internal/ident"
	"github.com/datixlab/auth/internal/record"
)

const (
	maxTemps     = 10 // logins of one user that may wait for their second factor
	maxTempTries = 5  // wrong codes that end one
	tempSecret   = 32 // bytes
)

// tempRecord holds the logins of a user that wait for their second factor. They
// share a record so that their number is bounded and each is spent in the same
// Commit as the code that completes it.
type tempRecord struct {
	Logins []pendingLogin
	newer  []byte
}

type pendingLogin struct {
	Digest    []byte // SHA-256 of the token's secret part
	Expires   time.Time
	Epoch     uint64
	Enrolment string // a code of another enrolment does not complete it
	Tries     uint64
	Prefix    string // the address prefix whose password budget the login is charged to
}

func (t *tempRecord) Fields(c *record.Codec) {
	record.List(c, &t.Logins, func(l *pendingLogin) {
		c.Bytes(&l.Digest)
		c.Time(&l.Expires)
		c.Uint(&l.Epoch)
		c.String(&l.Enrolment)
		c.Uint(&l.Tries)
		c.String(&l.Prefix)
	})
	c.Rest(&t.newer)
}

func tempRow(uid string) record.Row[tempRecord] { return record.New[tempRecord](tempKey(uid)) }

// prune drops what can complete no login any more.
func (t *tempRecord) prune(acct *account, now time.Time) {
	t.Logins = slices.DeleteFunc(t.Logins, func(w pendingLogin) bool {
		return !now.Before(w.Expires) || w.Epoch != acct.Epoch || w.Enrolment != acct.Enrolment
	})
}

// find returns the index of the login that the token's secret part stands for, or -1.
func (t *tempRecord) find(digest []byte) int {
	return slices.IndexFunc(t.Logins, func(w pendingLogin) bool {
		return subtle.ConstantTimeCompare(w.Digest, digest) == 1
	})
}

// newTempToken makes a temp token: 256 random bits that open nothing but the second
// step of this login. It names its user, whose partition it lies in, under seal.
func (m *Manager) newTempToken(ctx context.Context, uid string, acct *record.Row[account]) (Secret, error) {
	secret := make([]byte, tempSecret)
	_, _ = rand.Read(secret)
	digest := sha256.Sum256(secret)
	now := m.now()
	temps := tempRow(uid)
	if err := m.records.Read(ctx, &temps); err != nil {
		return "", err
	}
	temps.Rec.prune(&acct.Rec, now)
	if surplus := len(temps.Rec.Logins) - maxTemps + 1; surplus > 0 {
		temps.Rec.Logins = slices.Delete(temps.Rec.Logins, 0, surplus)
	}
	temps.Rec.Logins = append(temps.Rec.Logins, pendingLogin{
		Digest: digest[:], Expires: now.Add(m.cfg.TempTokenTTL), Epoch: acct.Rec.Epoch,
		Enrolment: acct.Rec.Enrolment, Prefix: clientPrefix(ctx),
	})
	if err := m.records.Commit(ctx, acct.Unchanged(), temps.Put().Until(now.Add(m.cfg.TempTokenTTL))); err != nil {
		return "", err
	}
	sealed := m.keys.Seal(labelTemp, slices.Concat(secret, []byte(uid)), nil)
	return Secret(tempPrefix + base64.RawURLEncoding.EncodeToString(sealed)), nil
}

// parseTempToken returns the user and the digest of a temp token that a Manager with one
// of these secrets made.
func (m *Manager) parseTempToken(token Secret) (uid string, digest []byte, ok bool) {
	if len(token) > 512 {
		return "", nil, false
	}
	text, ok := strings.CutPrefix(string(token), tempPrefix)
	if !ok {
		return "", nil, false
	}
	sealed, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || strings.ContainsAny(text, "\r\n") { // which the decoder passes over
		return "", nil, false
	}
	plain, _, err := m.keys.Open(labelTemp, sealed, nil)
	if err != nil || len(plain) != tempSecret+ident.TimedLen {
		return "", nil, false
	}
	d := sha256.Sum256(plain[:tempSecret])
	return string(plain[tempSecret:]), d[:], true
}
