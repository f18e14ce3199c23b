package auth

import (
	"strings"
	"testing"

	"github.com/datixlab/auth/internal/ident"
)

func TestATokenIsFoundInWhatPeopleCopyOutOfAMail(t *testing.T) {
	for _, k := range []mailKind{resetMail, verifyMail, changeMail, invitationMail} {
		wantUID := ident.Random() + strings.Repeat("0", ident.TimedLen-ident.RandomLen)
		made, want := newMailToken(k, wantUID)
		token := string(made)
		for _, text := range []string{
			token, " " + token + "\r\n", token[:30] + "\r\n\t" + token[30:], token[:30] + "\u00a0\u200b" + token[30:] + "\u3000",
			"<" + token + ">", token + ".", "\"" + token + "\",", "(" + token + ")", "“" + token + "”", token + "=", "Token: " + token,
			"https://app.example/" + k.prefix + "page#token=" + token, "<https://app.example/#token=" + token + ">.", "\ufeff" + token,
		} {
			if uid, secret, ok := k.parse(Secret(text)); !ok || uid != wantUID || secret != want {
				t.Errorf("%q: %q, %q, %v", text, uid, secret, ok)
			}
		}
		for _, text := range []string{
			"", k.prefix, token[len(k.prefix):], token[:len(token)-1], token + "0", token + " 0", token + "%3D", token + token[len(k.prefix):],
			strings.ToUpper(token), token[:40] + "=" + token[40:], token[:40] + "." + token[40:], k.prefix[:2] + "\n" + token[2:], token + strings.Repeat(" ", maxMailTokenText),
			"dev_" + token[len(k.prefix):], token[:40] + "\u0660" + token[41:],
		} {
			if _, _, ok := k.parse(Secret(text)); ok {
				t.Errorf("%q is a token", text)
			}
		}
	}
}
