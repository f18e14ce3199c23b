package auth

import "github.com/datixlab/auth/internal/ident"

// The prefixes of identifiers, which name the kind. An identifier is its prefix and
// digits of package ident: 29 for users, organizations and API keys, 22 for sessions.
// Records are stored under the digits.
const (
	userPrefix    = "user_"
	orgPrefix     = "org_"
	sessionPrefix = "ses_"
	keyIDPrefix   = "key_"
	tempPrefix    = "temp_" // of a token, not of an identifier
)

// parseUser returns the digits of a user's identifier, or false if it is none.
func parseUser(userID string) (uid string, ok bool) {
	return ident.Bare(userID, userPrefix, ident.TimedLen)
}

// parseOrganization returns the digits of an organization's identifier, or false if it
// is none.
func parseOrganization(organizationID string) (oid string, ok bool) {
	return ident.Bare(organizationID, orgPrefix, ident.TimedLen)
}

// parseSession returns the digits of a session's identifier, or false if it is none.
func parseSession(sessionID string) (sid string, ok bool) {
	return ident.Bare(sessionID, sessionPrefix, ident.RandomLen)
}

// userIDOf returns the identifier of the user with these digits. It returns "" for "",
// which is nobody.
func userIDOf(uid string) string {
	if uid == "" {
		return ""
	}
	return userPrefix + uid
}

// sessionIDOf returns the identifier of the session with these digits.
func sessionIDOf(sid string) string { return sessionPrefix + sid }
