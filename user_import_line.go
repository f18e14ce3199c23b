package auth

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/datixlab/auth/internal/printable"
	"github.com/datixlab/auth/internal/strictjson"
)

// MaxImportLine is how many bytes [ParseImportedUser] reads.
const MaxImportLine = 64 << 10

// ParseImportedUser reads one line of a file of users to import, users.ndjson: one JSON object.
// Its members are texts, but email_verified and disabled are true or false:
//
//	email               email_verified   full_name        password_hash
//	totp_secret         role             disabled         created_at (RFC 3339)
//	organization_id     organization_name
//
// All but email may be missing or null. It is strict: a member that it does not know is refused,
// so that a wrong name drops no second factor. The error is an [*InputError] that names every
// member at fault, or "line" if the text is not such an object. It has nothing of a value.
func ParseImportedUser(line []byte) (u ImportedUser, err error) {
	if len(line) > MaxImportLine {
		return u, invalidField("line", "too_long", fmt.Sprintf("It has more than %d bytes.", MaxImportLine))
	}
	if err := strictjson.Check(line); err != nil {
		return u, invalidField("line", "invalid_json", "It "+err.Error()+".")
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(line, &members); err != nil {
		return u, invalidField("line", "invalid_json", "It is not one JSON object.")
	}
	var fields []FieldError
	member := func(name string, into any, wrong string) {
		if raw := members[name]; raw != nil && json.Unmarshal(raw, into) != nil {
			fields = append(fields, FieldError{name, "wrong_type", wrong})
		}
		delete(members, name)
	}
	const text, flag = "It is not a text.", "It is neither true nor false."
	member("email", &u.Email, text)
	member("email_verified", &u.EmailVerified, flag)
	member("full_name", &u.FullName, text)
	member("password_hash", (*string)(&u.PasswordHash), text)
	member("totp_secret", (*string)(&u.TOTPSecret), text)
	member("role", &u.Role, text)
	member("organization_id", &u.OrganizationID, text)
	member("organization_name", &u.OrganizationName, text)
	member("disabled", &u.Disabled, flag)
	member("created_at", &u.CreatedAt, "It is not a time as RFC 3339 has it, such as 2026-01-31T15:04:05Z.")
	for _, name := range slices.Sorted(maps.Keys(members)) {
		fields = append(fields, FieldError{printable.Clip(name, 100), "unknown_member", "There is no such member."})
	}
	if fields != nil {
		return ImportedUser{}, inputError(ErrInvalidInput, fields...)
	}
	return u, nil
}
