package auth

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/datixlab/auth/internal/emailaddr"
	"github.com/datixlab/auth/internal/ident"
	"github.com/datixlab/auth/internal/otp"
	"github.com/datixlab/auth/internal/password"
	"github.com/datixlab/auth/internal/printable"
	"github.com/datixlab/auth/internal/scope"
)

// An InputError says which fields are wrong, and why. With [errors.Is] it matches
// ErrInvalidInput or ErrWeakPassword.
type InputError struct {
	Err    error // ErrInvalidInput or ErrWeakPassword
	Fields []FieldError
}

// A FieldError says what is wrong with one field.
type FieldError struct {
	Field  string // as in the HTTP contract: "email", "new_password"
	Code   string // stable and machine-readable: "required", "too_short"
	Detail string // an English sentence, which does not repeat the value
}

// Error returns the text of Err with the first field and its code. It repeats no value.
func (e *InputError) Error() string {
	if len(e.Fields) == 0 {
		return e.Err.Error()
	}
	return fmt.Sprintf("%v: %s: %s", e.Err, e.Fields[0].Field, e.Fields[0].Code)
}

// Unwrap returns Err.
func (e *InputError) Unwrap() error { return e.Err }

// inputError returns an [InputError] about fields, or nil if there are none.
func inputError(sentinel error, fields ...FieldError) error {
	if len(fields) == 0 {
		return nil
	}
	return &InputError{Err: sentinel, Fields: fields}
}

// invalidField returns an [InputError] with ErrInvalidInput about one field.
func invalidField(field, code, detail string) error {
	return inputError(ErrInvalidInput, FieldError{field, code, detail})
}

// checkText returns nil if printable.Line is true of s with at most most code points, else
// the error about field. An empty text is an error only if it is required. What people type
// is brought into its form by printable.Tidy first.
func checkText(field, s string, most int, required bool) *FieldError {
	switch {
	case s == "" && !required:
		return nil
	case strings.TrimSpace(s) == "":
		return &FieldError{field, "required", "It is required."}
	case utf8.RuneCountInString(s) > most:
		return &FieldError{field, "too_long", fmt.Sprintf("It has more than %d characters.", most)}
	case !printable.Line(s, most):
		return &FieldError{field, "invalid_characters", "It has characters that are not allowed where they are, or none that can be seen."}
	}
	return nil
}

// validKeyPrefix reports whether p may begin API keys.
func validKeyPrefix(p string) bool {
	if len(p) < 2 || len(p) > maxKeyPrefix || p[len(p)-1] != '_' {
		return false
	}
	for i := range len(p) - 1 {
		if !ident.IsBase62(p[i:i+1], 1) && p[i] != '_' {
			return false
		}
	}
	return true
}

// checkRole returns what is wrong with a role, or nil.
func checkRole(role string) *FieldError {
	switch {
	case role == "":
		return &FieldError{"role", "required", "It is required."}
	case validRole(role):
		return nil
	}
	return &FieldError{"role", "invalid_characters", "A role is 1 to 64 letters, digits, '_', '-', '.' or ':'."}
}

// validRole reports whether r may be a role. A role is written into tokens and compared by
// rules byte by byte.
func validRole(r string) bool {
	if r == "" || len(r) > 64 {
		return false
	}
	for i := range len(r) {
		if c := r[i]; !ident.IsBase62(r[i:i+1], 1) && c != '_' && c != '-' && c != '.' && c != ':' {
			return false
		}
	}
	return true
}

// InputLimits are the limits of what users send, for forms and for descriptions of an API.
// Lengths are in code points unless the field's comment says otherwise.
type InputLimits struct {
	MinPassword     int // of a new password, Config.PasswordMinLength
	MaxPassword     int // of a new password
	MaxName         int // of a person's, an organization's and an API key's name
	MaxDescription  int // of an API key's description
	MaxEmail        int // bytes, without white space around it and with A-labels
	MaxAPIKeyDays   int // of an API key's lifetime
	MaxScopes       int // of an API key, how many
	MaxScope        int // of one scope, bytes
	TOTPDigits      int // of a TOTP code
	MinBackupDigits int // of a backup code
	MaxBackupDigits int // of a backup code, whenever it was made

	Roles []string // that members give each other, the lowest first: Config.Roles
}

// InputLimits returns the limits that the Manager enforces.
func (m *Manager) InputLimits() InputLimits {
	return InputLimits{
		MinPassword:     m.cfg.PasswordMinLength,
		MaxPassword:     password.DefaultMax,
		MaxName:         maxName,
		MaxDescription:  maxKeyText,
		MaxEmail:        emailaddr.MaxLen,
		MaxAPIKeyDays:   int(maxAPIKeyTTL / (24 * time.Hour)),
		MaxScopes:       maxScopes,
		MaxScope:        scope.MaxLen,
		TOTPDigits:      otp.Digits,
		MinBackupDigits: minBackupDigits,
		MaxBackupDigits: maxBackupDigits,
		Roles:           slices.Clone(m.cfg.Roles),
	}
}
