package auth

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"time"

	"github.com/datixlab/auth/internal/otp"
	"github.com/datixlab/auth/internal/password"
	"github.com/datixlab/auth/internal/record"
	"github.com/datixlab/auth/store"
)

const (
	backupCodes     = 10
	minBackupDigits = 8  // more than a TOTP code has
	maxBackupDigits = 32 // the range of Config.BackupCodeLength
	backupTagLen    = 16
)

// isBackupCode reports whether code has the form of a backup code and not of a TOTP code. It
// does not depend on Config.BackupCodeLength, so old codes work after that has changed.
func isBackupCode(code Secret) bool {
	return backupLength(len(code)) && otp.IsDigits(string(code))
}

func backupLength(n int) bool { return minBackupDigits <= n && n <= maxBackupDigits }

// A backupSet has backup codes as tags. A tag is the Argon2id hash of the HMAC of a code under
// a pepper. The pepper is derived from Config.Secrets and is not in the store. So an attacker
// who has the store alone cannot test guesses, however short the codes are.
type backupSet struct {
	Pepper  string // the id of the root secret
	Salt    []byte // the same for all codes, so a wrong code costs one hash and not ten
	Memory  uint64 // KiB
	Time    uint64
	Threads uint64
	Tags    []string // the tags of spent codes begin with spentTag
}

// spentTag begins the tag of a spent code, which makes it longer than that of any other. The
// tag is kept so that events can report a replay.
const spentTag = "-"

func spent(tag string) bool { return len(tag) != backupTagLen }

// Fields implements [record.Fields].
func (b *backupSet) Fields(c *record.Codec) {
	c.String(&b.Pepper)
	c.Bytes(&b.Salt)
	c.Uint(&b.Memory)
	c.Uint(&b.Time)
	c.Uint(&b.Threads)
	c.Strings(&b.Tags)
}

func (b *backupSet) left() (n int) {
	for _, tag := range b.Tags {
		if !spent(tag) {
			n++
		}
	}
	return n
}

// tag returns the tag of a code. It returns ErrUnavailable, before any work, if the set has
// costs or a salt that no Manager would have chosen.
func (b *backupSet) tag(pepper []byte, code Secret) (string, error) {
	p := password.Params{Memory: uint32(b.Memory), Time: uint32(b.Time), Threads: uint8(b.Threads)}
	if uint64(p.Memory) != b.Memory || uint64(p.Time) != b.Time || uint64(p.Threads) != b.Threads {
		return "", unavailable(record.ErrDamaged)
	}
	mac := hmac.New(sha256.New, pepper)
	mac.Write([]byte(code))
	tag, err := password.Tag(p, mac.Sum(nil), b.Salt, backupTagLen)
	if err != nil {
		return "", unavailable(fmt.Errorf("%w: %w", record.ErrDamaged, err))
	}
	return string(tag), nil
}

// A codeList is a set of backup codes in the clear, for the user.
type codeList []string

// newBackupCodes returns ten different codes of length digits.
func newBackupCodes(length int) codeList {
	codes, all := make(codeList, 0, backupCodes), new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(length)), nil)
	for len(codes) < backupCodes {
		n, _ := rand.Int(rand.Reader, all) // never fails; each number has the same probability
		if code := fmt.Sprintf("%0*d", length, n); !slices.Contains(codes, code) {
			codes = append(codes, code)
		}
	}
	return codes
}

func (l codeList) joined() []byte { return []byte(strings.Join(l, "")) }

// splitBackupCodes is the reverse of joined.
func splitBackupCodes(b []byte) (l codeList, ok bool) {
	length := len(b) / backupCodes
	if len(b)%backupCodes != 0 || !backupLength(length) {
		return nil, false
	}
	for code := range slices.Chunk(b, length) {
		l = append(l, string(code))
	}
	return l, true
}

func (l codeList) secrets() []Secret {
	out := make([]Secret, len(l))
	for i, code := range l {
		out[i] = Secret(code)
	}
	return out
}

// hashBackupCodes returns the set of codes, under the first root secret. Each code costs a
// hash and waits for its own slot, so logins get slots in between.
func (m *Manager) hashBackupCodes(ctx context.Context, codes codeList) (backupSet, error) {
	p := m.cfg.PasswordHash
	b := backupSet{
		Pepper: m.keys.IDs()[0], Salt: make([]byte, 16),
		Memory: uint64(p.Memory), Time: uint64(p.Time), Threads: uint64(p.Threads),
	}
	_, _ = rand.Read(b.Salt)
	for _, code := range codes {
		tag, err := m.hashBackupCode(ctx, &b, Secret(code))
		if err != nil {
			return backupSet{}, err
		}
		b.Tags = append(b.Tags, tag)
	}
	return b, nil
}

// hashBackupCode returns the tag that a code has in the set. It is computed in a hashing slot.
func (m *Manager) hashBackupCode(ctx context.Context, b *backupSet, code Secret) (tag string, err error) {
	slotErr := m.withHashSlot(ctx, func() { tag, err = b.tag(m.peppers[b.Pepper](), code) })
	if slotErr != nil {
		return "", slotErr
	}
	return tag, err
}

// tagBackupCode computes the tag of code for the set b, unless proof has it. Call it before a
// change takes its turn, since it costs a hash and other changes of the account would wait.
func (m *Manager) tagBackupCode(ctx context.Context, b *backupSet, code Secret, proof *codeCheck) error {
	if !isBackupCode(code) || m.peppers[b.Pepper] == nil || proof.tag != nil && slices.Equal(proof.salt, b.Salt) {
		return nil
	}
	tag, err := m.hashBackupCode(ctx, b, code)
	if err == nil {
		proof.salt, proof.tag = b.Salt, []byte(tag)
	}
	return err
}

// spendBackupCode reports whether code is an unspent code of the set, and marks it as spent in
// b.
func (m *Manager) spendBackupCode(ctx context.Context, b *backupSet, code Secret, proof *codeCheck) (ok bool, err error) {
	if len(b.Tags) == 0 { // of a factor that was imported
		return false, nil
	}
	if m.peppers[b.Pepper] == nil {
		m.cfg.Logger.ErrorContext(ctx, "auth: backup codes were made under a secret that is no longer in Config.Secrets")
		return false, nil
	}
	if err := m.tagBackupCode(ctx, b, code, proof); err != nil {
		return false, err
	}
	found := -1
	for i, tag := range b.Tags {
		if subtle.ConstantTimeCompare([]byte(tag[max(0, len(tag)-backupTagLen):]), proof.tag) == 1 {
			found = i
		}
	}
	if found < 0 {
		return false, nil
	}
	if spent(b.Tags[found]) {
		proof.reason = replayed
		return false, nil
	}
	b.Tags[found] = spentTag + b.Tags[found]
	return true, nil
}

// reportBackupCode is report for a Commit that spends a backup code. Left is how many codes are
// left after it.
func (m *Manager) reportBackupCode(ctx context.Context, err error, e Event, a *account, left int) {
	e.Type, e.Count = EventBackupCodeUsed, left
	m.report(ctx, err, e, Notice{Type: e.Type, To: a.Email, UserID: e.UserID, Name: a.FullName, Left: left})
}

// newCodesLimit bounds how often a user can have backup codes hashed.
var newCodesLimit = store.Limit{Burst: 10, Every: 10 * time.Minute}

// newCodesBudget is the budget of sets of backup codes that the user makes.
func newCodesBudget(uid string) budget {
	return budget{name: "new_codes", key: userKey(uid, "newcodes"), limit: newCodesLimit, keepOnSuccess: true}
}

// firstCodesLimit bounds how often a user can have those codes hashed that a new second factor
// begins with. Each enrolment has one set, and confirmations of it at the same time in many
// processes have one each.
var firstCodesLimit = store.Limit{Burst: 20, Every: 10 * time.Minute}

func firstCodesBudget(uid string) budget {
	return budget{name: "new_codes", key: userKey(uid, "firstcodes"), limit: firstCodesLimit, keepOnSuccess: true}
}

// ReplaceBackupCodes makes ten new backup codes for the caller and returns them. They cannot be read
// again. It needs the password and a code, TOTP or backup, however fresh the login is: with ten codes
// a session could move the address and turn the second factor off. For an account without a password
// it needs a fresh login and a code. From its return on the old codes are rejected. The error is:
//   - ErrInvalidCredentials if the password or the code is wrong. It does not say which, and
//     both are charged.
//   - ErrReauthenticationRequired if the account has no password and the login is not fresh.
//   - ErrTwoFactorNotEnabled if the second factor is not on.
//   - ErrRateLimited, also after 10 calls at once. One more is allowed every 10 minutes. The
//     network has a limit too: see Config.Limits.LoginByAddress.
//   - ErrOverloaded if no hashing slot came free. Neither code nor password is charged then.
func (m *Manager) ReplaceBackupCodes(ctx context.Context, id Identity, currentPassword, code Secret) ([]Secret, error) {
	defer m.calls.Begin()()
	const action = "replace_codes"
	f := newFactors(id, currentPassword, code)
	c, err := m.loadPrincipal(ctx, id, &f.totp, &f.pass)
	if err != nil {
		return nil, err
	}
	if c.acct.Rec.Enrolment == "" {
		return nil, ErrTwoFactorNotEnabled
	}
	ctx = m.callerContext(ctx, c)
	codes := newBackupCodes(m.cfg.BackupCodeLength)
	var set *backupSet
	left := 0 // of the old codes
	err = m.proveFactors(ctx, id, c, f, action, func(ctx context.Context) ([]store.Op, error) {
		if set == nil {
			made, err := m.chargeNewCodes(ctx, newCodesBudget(c.uid), c.uid, codes)
			if err != nil {
				return nil, err
			}
			set = &made
		}
		left = f.totp.Rec.Active.Backup.left()
		f.totp.Rec.Active.Backup = *set
		return []store.Op{c.acct.Unchanged(), c.session.Unchanged(), f.totp.Put()}, nil
	})
	if isBackupCode(f.code) {
		e := id.event(EventBackupCodeUsed)
		e.Action, e.Count = action, left
		m.report(ctx, err, e)
	}
	m.report(ctx, err, id.event(EventBackupCodesReplaced), accountNotice(EventBackupCodesReplaced, c.uid, &c.acct.Rec, c.acct.Rec.Email))
	if err != nil {
		return nil, err
	}
	return codes.secrets(), nil
}

// chargeNewCodes charges the budgets of ten hashes, with that of the account, and computes them.
func (m *Manager) chargeNewCodes(ctx context.Context, account budget, uid string, codes codeList) (set backupSet, err error) {
	err = m.throttled(ctx, uid, m.setupBudgets(ctx, account), func(ctx context.Context) (bool, error) {
		set, err = m.hashBackupCodes(ctx, codes)
		return err == nil, err
	})
	return set, err
}
