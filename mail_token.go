package auth

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/datixlab/auth/internal/checkdigits"
	"github.com/datixlab/auth/internal/ident"
	"github.com/datixlab/auth/internal/record"
	"github.com/datixlab/auth/store"
)

// A one-time token proves that its holder reads the mail of an address. It is its prefix, the 29
// digits of the user, or of the organization for an invitation, 32 random base62 digits (190 bits) and
// 6 digits of a CRC-32 over all of that:
//
//	rst_ …(29) …(32) …(6)
//
// The digits of the user name the partition of the token. The store has only a SHA-256 of the
// purpose, the user, the address, the epoch and the random digits. So a token of another
// purpose, user, address or epoch is not found, and nothing has to compare these. See binding for
// which of them a purpose has.
//
// A token is spent in the Commit that acts. What fails before that leaves it valid.
const (
	mailSecretLen = 32

	maxMailTokenText = 512 // bytes of a token with the spaces and line breaks in it
	maxMailTokens    = 3   // valid ones of one purpose and user
)

// A mailKind is a purpose of mails, and what its tokens are like.
type mailKind struct {
	purpose MailPurpose
	prefix  string
	ttl     time.Duration
}

var (
	resetMail  = mailKind{MailResetPassword, "rst_", time.Hour}
	verifyMail = mailKind{MailVerifyEmail, "vrf_", 24 * time.Hour}
	changeMail = mailKind{MailChangeEmail, "chg_", time.Hour}
)

// A mailBinding is what a token belongs to besides its purpose and user. A token with another
// binding is void.
type mailBinding struct {
	address string // digest
	epoch   uint64 // 0 for a token that outlives sessions
}

// binding returns what a token of this kind would belong to now. A token that gives power over
// the account ends with the account's sessions.
func (k mailKind) binding(a *account) mailBinding {
	switch k {
	case verifyMail:
		return mailBinding{address: digestOf(a.Email)}
	case changeMail:
		return mailBinding{digestOf(a.RequestedEmail), a.Epoch}
	}
	return mailBinding{digestOf(a.Email), a.Epoch}
}

// mailTokens are the one-time tokens of a user. They share a record, so that their number is
// bounded and one Commit voids all of them.
type mailTokens struct {
	Tokens []mailToken
	// Unsure are the digests of tokens whose mails may not have left. These are valid and do not
	// count, so that a mail server that hangs does not use up what a user may ask for. The budget
	// of the address bounds their number.
	Unsure []string
	newer  []byte
}

// A mailToken is a one-time token that was mailed, or is about to be.
type mailToken struct {
	Digest  []byte // see mailDigest
	Purpose string
	Expires time.Time
	Epoch   uint64 // of its binding
}

// Fields implements [record.Fields].
func (t *mailTokens) Fields(c *record.Codec) {
	record.List(c, &t.Tokens, func(one *mailToken) {
		c.Bytes(&one.Digest)
		c.String(&one.Purpose)
		c.Time(&one.Expires)
		c.Uint(&one.Epoch)
	})
	c.Strings(&t.Unsure)
	c.Rest(&t.newer)
}

func mailTokensRow(uid string) record.Row[mailTokens] {
	return record.New[mailTokens](mailTokensKey(uid))
}

// mailDigest returns what is stored of a token. Each part has its length before it, so that no
// two tokens hash the same bytes.
func mailDigest(k mailKind, uid, secret string, b mailBinding) []byte {
	h := sha256.New()
	for _, part := range []string{string(k.purpose), uid, b.address, secret} {
		_ = binary.Write(h, binary.BigEndian, uint64(len(part)))
		h.Write([]byte(part))
	}
	_ = binary.Write(h, binary.BigEndian, b.epoch)
	return h.Sum(nil)
}

// newMailToken returns a new token of the user, and the random digits in it.
func newMailToken(k mailKind, uid string) (token Secret, secret string) {
	secret = ident.Digits(mailSecretLen)
	return Secret(checkdigits.Add(k.prefix + uid + secret)), secret
}

// visible is for strings.Map. It drops white space of every script, and what takes no room.
func visible(r rune) rune {
	if unicode.IsSpace(r) || unicode.Is(unicode.Cf, r) {
		return -1
	}
	return r
}

// isDigit reports whether a token may have the character.
func isDigit(r rune) bool { return r < unicode.MaxASCII && (unicode.IsLetter(r) || unicode.IsDigit(r)) }

// withoutSpace removes what files end in, and what mail programs break lines with.
var withoutSpace = strings.NewReplacer(" ", "", "\t", "", "\r", "", "\n", "")

// parse returns the user and the random digits of the token of this kind in a text. It returns false for
// a text that has none, without asking the store. People copy tokens out of mails, whose lines may be
// broken. So white space in the token after the prefix is no part of it, and neither is what is around
// it: a link that ends in it, quotes, a full stop.
func (k mailKind) parse(token Secret) (uid, secret string, ok bool) {
	at := strings.LastIndex(string(token), k.prefix)
	if at < 0 || len(token) > maxMailTokenText {
		return "", "", false
	}
	text := strings.TrimRightFunc(strings.Map(visible, string(token)[at:]), func(r rune) bool { return !isDigit(r) })
	digits, ok := checkdigits.Cut(text, k.prefix, ident.TimedLen+mailSecretLen)
	if !ok {
		return "", "", false
	}
	return digits[:ident.TimedLen], digits[ident.TimedLen:], true
}

// prune removes the tokens that have expired or ended with the account's sessions, so that they
// do not count. It leaves those of a purpose that only a later version knows.
func (t *mailTokens) prune(a *account, now time.Time) {
	t.Tokens = slices.DeleteFunc(t.Tokens, func(one mailToken) bool {
		ended := one.Epoch != a.Epoch && (one.Purpose == string(MailResetPassword) || one.Purpose == string(MailChangeEmail))
		return ended || !now.Before(one.Expires)
	})
	t.Unsure = slices.DeleteFunc(t.Unsure, func(digest string) bool {
		return !slices.ContainsFunc(t.Tokens, func(one mailToken) bool { return string(one.Digest) == digest })
	})
}

// count returns how many tokens there are of a kind whose mails have left.
func (t *mailTokens) count(k mailKind) (n int) {
	for _, one := range t.Tokens {
		if one.Purpose == string(k.purpose) && !slices.Contains(t.Unsure, string(one.Digest)) {
			n++
		}
	}
	return n
}

// find returns the index of the token with these random digits that is valid now, or -1.
func (t *mailTokens) find(k mailKind, uid, secret string, a *account, now time.Time) int {
	digest := mailDigest(k, uid, secret, k.binding(a))
	return slices.IndexFunc(t.Tokens, func(one mailToken) bool {
		return subtle.ConstantTimeCompare(one.Digest, digest) == 1 && now.Before(one.Expires)
	})
}

// drop removes the tokens of a kind.
func (t *mailTokens) drop(k mailKind) {
	t.Tokens = slices.DeleteFunc(t.Tokens, func(one mailToken) bool { return one.Purpose == string(k.purpose) })
}

// putMailTokens returns the operation that writes the tokens as they are in the row, until the
// last of them expires. It requires the record as it was read.
func putMailTokens(row *record.Row[mailTokens]) store.Op {
	if len(row.Rec.Tokens) == 0 {
		return row.Remove()
	}
	var end time.Time
	for _, one := range row.Rec.Tokens {
		if one.Expires.After(end) {
			end = one.Expires
		}
	}
	return row.Put().Until(end)
}

// A redemption is the use of a one-time token, with the records as they were last read.
type redemption struct {
	kind        mailKind
	uid, secret string
	acct        record.Row[account]
	tokens      record.Row[mailTokens]
}

// redeem begins the use of a token by anybody, and charges the client's networks for it. What is
// no token costs nothing, so it is not counted. The error is ErrInvalidOneTimeToken, which is the
// same for whatever is wrong with the token.
func (m *Manager) redeem(ctx context.Context, k mailKind, token Secret) (*redemption, error) {
	uid, secret, ok := k.parse(token)
	if !ok {
		m.refuseMailToken(ctx, k, "", malformed)
		return nil, ErrInvalidOneTimeToken
	}
	if _, err := m.charge(ctx, "", m.mailNetworkBudgets(ctx)); err != nil {
		return nil, err
	}
	r := &redemption{kind: k, uid: uid, secret: secret, acct: accountRow(uid), tokens: mailTokensRow(uid)}
	return r, m.reread(ctx, r)
}

// reread reads the records of r again, and more of the same partition. It returns
// ErrInvalidOneTimeToken if the token is not valid any more.
func (m *Manager) reread(ctx context.Context, r *redemption, more ...record.Reader) error {
	if err := m.records.Read(ctx, append(more, &r.acct, &r.tokens)...); err != nil {
		return err
	}
	return m.checkMailToken(ctx, r)
}

// checkMailToken returns ErrInvalidOneTimeToken unless the token is valid for the account as it
// was read.
func (m *Manager) checkMailToken(ctx context.Context, r *redemption) error {
	if r.acct.Exists() && r.acct.Rec.usable() && r.tokens.Rec.find(r.kind, r.uid, r.secret, &r.acct.Rec, m.now()) >= 0 {
		return nil
	}
	m.refuseMailToken(ctx, r.kind, userIDOf(r.uid), "ended")
	return ErrInvalidOneTimeToken
}

// refuseMailToken emits an event for a token that is not valid.
func (m *Manager) refuseMailToken(ctx context.Context, k mailKind, userID, reason string) {
	m.emit(ctx, Event{Type: EventMailTokenRefused, UserID: userID, Action: string(k.purpose), Reason: reason})
}

// doubt notes that the mail of the token may not have left.
func (r *redemption) doubt(now time.Time) {
	if i := r.tokens.Rec.find(r.kind, r.uid, r.secret, &r.acct.Rec, now); i >= 0 {
		r.tokens.Rec.Unsure = append(r.tokens.Rec.Unsure, string(r.tokens.Rec.Tokens[i].Digest))
	}
}

// spend takes the token out of the tokens of r. The Commit that acts writes them with
// putMailTokens.
func (r *redemption) spend(now time.Time) {
	i := r.tokens.Rec.find(r.kind, r.uid, r.secret, &r.acct.Rec, now)
	if i >= 0 {
		r.tokens.Rec.Tokens = slices.Delete(r.tokens.Rec.Tokens, i, i+1)
	}
}
