package auth

import (
	"crypto/sha256"
	"encoding/base64"
	"strings"

	"github.com/datixlab/auth/internal/ident"
	"github.com/datixlab/auth/internal/record"
	"github.com/datixlab/auth/store"
)

// The layout: what is stored where. Records that must change together with an account are in
// the partition of its user. An email address has a partition of its own, because a login
// begins with nothing else. The file of each record's type has a function for its row, such
// as accountRow.
//
//	u.<user>/acct          account: profile, state, epoch
//	u.<user>/pass          passwordRecord
//	u.<user>/totp          totpRecord: pending and active second factor
//	u.<user>/temp          tempRecord: logins that wait for their second factor
//	u.<user>/mail          mailTokens: one-time tokens that were mailed
//	u.<user>/devices       devicesRecord: devices on which a login needs no code
//	u.<user>/keys          keysMade
//	u.<user>/k.<key>       keyRecord: names the organization
//	u.<user>/l.<key>       keyuse.Usage ("last used")
//	u.<user>/s.<session>   sessionRecord: names the organization
//	e.<digest>/claim       emailClaim
//	e.<digest>/known       knownNetworks
//	o.<org>/org            orgRecord
//	o.<org>/roster         rosterRecord
//	o.<org>/m.<user>       memberRecord
//	o.<org>/invitations    invitationsRecord
//	m.auth/managers        managersRecord: what the Managers on the store were configured with
//	m.auth/rosters         rostersRecord: whether every account is in its roster
//	m.auth/doctor          while Doctor measures a write: nothing
//
// A user is in one organization, and the account has the role there. Several would have a record for
// each, u.<user>/m.<org>, with the role. A check would read the one that the session or the key
// names, beside the account.
//
// Counters are in u.<user>/, e.<digest>/ and a.<address>/: see throttle_*.go, and
// events_notice.go for those of notices.

func userPartition(uid string) string    { return "u." + uid }
func userKey(uid, name string) string    { return "u." + uid + "/" + name }
func accountKey(uid string) string       { return userKey(uid, "acct") }
func passwordKey(uid string) string      { return userKey(uid, "pass") }
func totpKey(uid string) string          { return userKey(uid, "totp") }
func tempKey(uid string) string          { return userKey(uid, "temp") }
func mailTokensKey(uid string) string    { return userKey(uid, "mail") }
func devicesKey(uid string) string       { return userKey(uid, "devices") }
func keysMadeKey(uid string) string      { return userKey(uid, "keys") }
func apiKeyKey(uid, kid string) string   { return userKey(uid, "k."+kid) }
func keyUsageKey(uid, kid string) string { return userKey(uid, "l."+kid) }
func sessionKey(uid, sid string) string  { return userKey(uid, "s."+sid) }
func claimKey(digest string) string      { return "e." + digest + "/claim" }
func knownKey(digest string) string      { return "e." + digest + "/known" }
func orgPartition(oid string) string     { return "o." + oid }
func orgRecords(oid string) string       { return orgPartition(oid) + "/" }
func orgKey(oid string) string           { return orgRecords(oid) + "org" }
func rosterKey(oid string) string        { return orgRecords(oid) + "roster" }
func memberKey(oid, uid string) string   { return orgRecords(oid) + "m." + uid }
func invitationsKey(oid string) string   { return orgRecords(oid) + "invitations" }

const (
	managersKey = "m.auth/managers"
	rostersKey  = "m.auth/rosters"
	doctorKey   = "m.auth/doctor"
)

// accountKeyIn, sessionKeyIn and apiKeyKeyIn make their key in the memory of a read.
func accountKeyIn(in *record.Arena, uid string) string      { return in.Join("u.", uid, "/acct") }
func sessionKeyIn(in *record.Arena, uid, sid string) string { return in.Join("u.", uid, "/s.", sid) }
func apiKeyKeyIn(in *record.Arena, uid, kid string) string  { return in.Join("u.", uid, "/k.", kid) }

// emailDigest returns the name of an email address in keys. All names have the same length,
// and no key contains an address.
func emailDigest(canonical string) string {
	d := sha256.Sum256([]byte(canonical))
	return base64.RawURLEncoding.EncodeToString(d[:])
}

// claimDigest returns the digest in the key of a claim, or of a record beside it.
func claimDigest(key string) string {
	return strings.TrimPrefix(store.Partition(key), "e.")
}

// The prefixes of identifiers, one for each kind. An identifier is its prefix and digits of package
// ident: 29 for users, organizations and API keys, 22 for sessions and trusted devices. Records are
// stored under the digits.
const (
	userPrefix     = "user_"
	orgPrefix      = "org_"
	sessionPrefix  = "ses_"
	keyIDPrefix    = "key_"
	tempPrefix     = "temp_" // of a token, not of an identifier
	devicePrefix   = "dev_"  // of a token too
	deviceIDPrefix = "device_"

	invitationIDPrefix = "invitation_"
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

// partitionOf returns the partition of the user with this identifier. For an identifier that
// is none, it is one that no user has.
func partitionOf(userID string) string {
	uid, _ := parseUser(userID)
	return userPartition(uid)
}

// userIDOf returns the identifier of the user with these digits. For "", which is no user, it
// returns "".
func userIDOf(uid string) string {
	if uid == "" {
		return ""
	}
	return userPrefix + uid
}

// sessionIDOf returns the identifier of the session with these digits.
func sessionIDOf(sid string) string { return sessionPrefix + sid }
