package auth

import (
	"context"
	"errors"
	"slices"

	"github.com/datixlab/auth/internal/emailaddr"
)

// A Proof is what your program has proven about a user by other means than a password, such as
// an answer of an OAuth or SAML provider, or a link.
type Proof struct {
	// Method is a stable word for the means, such as "oauth" or "saml": 1 to 32 lower-case
	// letters, digits, '-' or '_', the first a letter. It is the first amr of the session, so it
	// may be a word of RFC 8176 that is true, such as "hwk". The words "pwd", "otp" and "mfa"
	// are refused: they name what the Manager itself has checked, or MultiFactor.
	Method string
	// MultiFactor says that the means had two factors, by a rule that you trust. No code is asked
	// for, and the session has the amr "mfa". Most providers do not say it: leave it false then.
	MultiFactor bool
	// EmailVerified says that your program has proof that the user owns the address Email. If
	// the account has that address, it is marked as verified in the Commit that makes the session
	// or the temp token.
	EmailVerified bool
	// Email is the address of that proof, in any spelling. An account that is named by the
	// subject of a provider may have another, and its user can change it during the call. Without
	// Email any address that the account has then is marked, so leave it out only if your proof
	// is about the account and not about an address.
	Email string
}

// provesEmail reports whether the proof is one of the address that the account has.
func (p *Proof) provesEmail(a *account) bool {
	canonical, ok := emailaddr.Canonical(p.Email)
	return p.EmailVerified && (p.Email == "" || ok && emailaddr.Same(a.Email, canonical))
}

// LoginAs begins a session of a user whom your program has proven by other means. It makes the
// checks of [Manager.Login], except for the password. If the account has a second factor and the
// proof is not MultiFactor, it returns a temp token for [Manager.VerifyTwoFactor].
// Config.TwoFactorPolicy holds as at a login, also for a proof that is MultiFactor.
//
// Your program decides who the user is, by an identifier that the other side never gives to
// anybody else. With OpenID Connect that is the issuer and the subject. An address that one side
// has not verified names nobody. Put the client into the context with [WithClient].
// The session counts as a fresh login (Config.FreshLogin), so what is proven must not be old. The
// Actor of its events is that of [WithActor].
//
// The error is:
//   - An [*InputError] if the Method is malformed.
//   - ErrNotFound if there is no such user.
//   - ErrInvalidCredentials if the user is disabled.
//   - ErrEmailNotVerified as at a login, see Config.RequireVerifiedEmail, unless the proof is
//     EmailVerified for the address that the account has.
//   - ErrRateLimited if too many logins of the user wait for their second factor, from the network
//     of the client. Five may, and beyond them Config.Limits.LoginByAccountAddress.
func (m *Manager) LoginAs(ctx context.Context, userID string, proof Proof) (LoginResult, error) {
	defer m.calls.Begin()()
	if !validMethod(proof.Method) {
		return LoginResult{}, invalidField("method", "invalid_method",
			"A method is 1 to 32 lower-case letters, digits, '-' or '_', the first a letter, and not pwd, otp or mfa.")
	}
	uid, acct, err := m.findUser(ctx, userID)
	if err != nil {
		return LoginResult{}, err
	}
	canonical, _ := emailaddr.Canonical(acct.Rec.Email)
	digest, prefix := emailDigest(canonical), clientPrefix(ctx)
	owner, known, err := m.emailOwner(ctx, digest)
	if err != nil {
		return LoginResult{}, err
	}
	isKnown := byProgram(ctx) || owner == uid && slices.Contains(known.Rec.Prefixes, prefix)
	var mfa []string
	if proof.MultiFactor {
		mfa = []string{"mfa"}
	}
	var charged []budget
	if acct.Rec.usable() && acct.Rec.Enrolment != "" && !proof.MultiFactor {
		if isKnown {
			ctx = m.preferLane(ctx, digest) // for a backup code
		}
		if charged, err = m.charge(ctx, uid, []budget{m.provenBudget(uid, prefix)}); err != nil {
			return LoginResult{}, err
		}
	}
	first := firstStepOf(ctx, isKnown, charged)
	first.Method, first.Actor = proof.Method, actorOf(ctx)
	var result LoginResult
	marks := false
	err = m.settle(ctx, charged, func(ctx context.Context) (bool, error) {
		read := func() (err error) { _, acct, err = m.findUser(ctx, userID); return err }
		err := m.records.RetryFrom(ctx, userPartition(uid), read, func() (err error) {
			first.ProvesEmail = proof.provesEmail(&acct.Rec)
			marks = first.ProvesEmail && !acct.Rec.emailVerified()
			result, err = m.startSession(ctx, uid, acct, first.amr(mfa...), first)
			return err
		})
		return err == nil && (result.hasRoom || !result.TwoFactorRequired()) || errors.Is(err, ErrEmailNotVerified), err
	})
	if marks {
		m.reportByProgram(ctx, err, Event{Type: EventEmailVerified, UserID: userID, OrganizationID: acct.Rec.Org})
	}
	result.hasRoom = false // it concerns nobody else
	switch {
	case errors.Is(err, ErrInvalidCredentials):
		m.emitByProgram(ctx, Event{
			Type: EventLoginFailed, UserID: userID, OrganizationID: acct.Rec.Org, AMR: first.amr(mfa...), Reason: "disabled",
		})
	case err == nil && !result.TwoFactorRequired():
		m.noteNetwork(ctx, known, prefix, result)
	}
	return result, err
}

// validMethod reports whether s may be a Proof.Method. It is written into tokens and events.
func validMethod(s string) bool {
	if s == "" || len(s) > 32 || s[0] < 'a' || s[0] > 'z' || s == "pwd" || s == "otp" || s == "mfa" {
		return false
	}
	for i := range len(s) {
		if c := s[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' {
			return false
		}
	}
	return true
}
