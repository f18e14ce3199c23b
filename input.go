package auth

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/datixlab/auth/internal/ident"
	"github.com/datixlab/auth/internal/password"
)

// maxEmail is how many bytes an email address has at most.
const maxEmail = 254

// displayable reports whether s is 1 to most code points of text that can be shown
// on one line without deceiving: valid UTF-8, no control, format or line-breaking
// characters (which include those that reverse the direction of writing, U+202E),
// not blank, no space at either end.
func displayable(s string, most int) bool {
	if s == "" || !utf8.ValidString(s) || utf8.RuneCountInString(s) > most || strings.TrimSpace(s) != s {
		return false
	}
	for _, r := range s {
		if r == utf8.RuneError || unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp, unicode.Co, unicode.Cs) {
			return false
		}
	}
	return true
}

// checkText is displayable as an error about field. An empty text is an error only
// where it is required.
func checkText(field, s string, most int, required bool) *FieldError {
	switch {
	case s == "" && !required:
		return nil
	case strings.TrimSpace(s) == "":
		return &FieldError{field, "required", "It is required."}
	case utf8.RuneCountInString(s) > most:
		return &FieldError{field, "too_long", "It is too long."}
	case !displayable(s, most):
		return &FieldError{field, "invalid_characters", "It has characters that are not allowed, or space at an end."}
	}
	return nil
}

// clipped returns s as text that is safe to keep and to print: at most n bytes,
// what is not printable replaced.
func clipped(s string, n int) string {
	s = strings.ToValidUTF8(s, "?")
	s = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, s)
	if len(s) > n {
		s = strings.ToValidUTF8(s[:n], "")
	}
	return s
}

// validKeyPrefix reports whether p may begin API keys.
func validKeyPrefix(p string) bool {
	if len(p) < 2 || len(p) > 32 || p[len(p)-1] != '_' {
		return false
	}
	for i := range len(p) - 1 {
		if !ident.IsDigits(p[i:i+1], 1) && p[i] != '_' {
			return false
		}
	}
	return true
}

// checkRole says what is wrong with a role, or nil.
func checkRole(role string) *FieldError {
	if validRole(role) {
		return nil
	}
	return &FieldError{"role", "invalid_characters", "A role is 1 to 64 letters, digits, '_', '-', '.' or ':'."}
}

// validRole reports whether r may be a role: it goes into tokens and rules as it is.
func validRole(r string) bool {
	if r == "" || len(r) > 64 {
		return false
	}
	for i := range len(r) {
		if c := r[i]; !ident.IsDigits(r[i:i+1], 1) && c != '_' && c != '-' && c != '.' && c != ':' {
			return false
		}
	}
	return true
}

// InputLimits are the limits of what users send, for forms and for descriptions of an
// API. Lengths are in code points, if nothing else is said.
type InputLimits struct {
	PasswordMin     int // of a new password, Config.PasswordMinLength
	PasswordMax     int // of a new password
	Name            int // of a person's, an organization's and an API key's name
	Description     int // of an API key's description
	Email           int // bytes
	Scopes          int // how many an API key has at most
	TOTPDigits      int // of a TOTP code
	BackupDigitsMin int // of a backup code
	BackupDigitsMax int // of a backup code, whenever it was made
}

// InputLimits returns the limits that the Manager enforces.
func (m *Manager) InputLimits() InputLimits {
	return InputLimits{
		PasswordMin:     m.cfg.PasswordMinLength,
		PasswordMax:     password.DefaultMax,
		Name:            maxName,
		Description:     maxKeyText,
		Email:           maxEmail,
		Scopes:          maxScopes,
		TOTPDigits:      totpDigits,
		BackupDigitsMin: minBackupDigits,
		BackupDigitsMax: maxBackupDigits,
	}
}
