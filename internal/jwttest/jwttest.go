// Package jwttest makes tokens with any header, claims and HMAC signature, for the tests
// of the code that must refuse them. It shares no code with what it tests.
package jwttest

import (
	"crypto/hmac"
	"encoding/base64"
	"encoding/json"
	"hash"
	"maps"
)

// Changed returns a copy of m with the members of change; nil removes one.
func Changed(m, change map[string]any) map[string]any {
	out := map[string]any{}
	maps.Copy(out, m)
	for k, v := range change {
		if out[k] = v; v == nil {
			delete(out, k)
		}
	}
	return out
}

// JSON returns v as JSON. It panics if that is not possible.
func JSON(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}

// Segment returns v as a part of a token: its JSON in unpadded base64url.
func Segment(v any) string { return base64.RawURLEncoding.EncodeToString(JSON(v)) }

// Signed returns text, the first two parts of a token, with its HMAC as the third.
func Signed(newHash func() hash.Hash, key []byte, text string) string {
	mac := hmac.New(newHash, key)
	mac.Write([]byte(text))
	return text + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}
