package auth

import "testing"

// A version that wrote one type only did not record it.
func TestARecordWithoutATypeOfTokensIsOfTheUsualOne(t *testing.T) {
	old := managersRecord{Secrets: []string{"a"}, Issuer: "auth", Audience: "auth", APIKeyPrefix: "sk_live_"}
	for typ, want := range map[string]int{"at+jwt": 0, "JWT": 1} {
		own := old
		own.TokenType = typ
		if got := old.differences(own); len(got) != want {
			t.Errorf("%s: %v", typ, got)
		}
	}
}

// A version without roles did not record them.
func TestARecordWithoutRolesFitsAll(t *testing.T) {
	old := managersRecord{Secrets: []string{"a"}, Issuer: "auth", Audience: "auth", APIKeyPrefix: "sk_live_", TokenType: "at+jwt"}
	own := old
	own.FirstRole, own.Roles = "owner", []string{"admin", "owner"}
	if got := old.differences(own); len(got) != 0 {
		t.Errorf("%v", got)
	}
}
