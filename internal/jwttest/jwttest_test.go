package jwttest_test

import (
	"crypto/sha256"
	"testing"

	"github.com/golang-jwt/jwt/v5"

	"github.com/datixlab/auth/internal/jwttest"
)

func TestATokenIsAcceptedByGolangJWTWithItsKeyOnly(t *testing.T) {
	claims := jwttest.Changed(map[string]any{"sub": "ada", "iss": "test"}, map[string]any{"sub": "bob", "iss": nil})
	token := jwttest.Signed(sha256.New, []byte("key"), jwttest.Segment(map[string]any{"alg": "HS256"})+"."+jwttest.Segment(claims))
	for key, want := range map[string]bool{"key": true, "other": false} {
		var got jwt.MapClaims
		_, err := jwt.ParseWithClaims(token, &got, func(*jwt.Token) (any, error) { return []byte(key), nil })
		if (err == nil) != want || want && (got["sub"] != "bob" || len(got) != 1) {
			t.Errorf("%s: %v, %v", key, got, err)
		}
	}
}
