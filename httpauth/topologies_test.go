package httpauth_test

import (
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/datixlab/auth/internal/redistest"
	"github.com/datixlab/auth/store"
)

// The main job, on what runs Redis in earnest.
func TestTheLifeOfAnAccountOnSentinelAndOnACluster(t *testing.T) {
	t.Parallel()
	if !redistest.Available(t) {
		return
	}
	for name, at := range map[string]func(t *testing.T) redis.UniversalOptions{
		"sentinel": func(t *testing.T) redis.UniversalOptions {
			return redis.UniversalOptions{Addrs: redistest.StartSentinel(t).SentinelAddrs(), MasterName: redistest.MasterName}
		},
		"cluster": func(t *testing.T) redis.UniversalOptions {
			return redis.UniversalOptions{Addrs: redistest.StartCluster(t).Addrs()}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, setup{begin: time.Now(), store: func(t *testing.T, _ func() time.Time) store.Store {
				return openRedis(t, at(t))
			}})
			walk(f)
		})
	}
}

// walk goes through every endpoint, as a client would.
func walk(f *fixture) {
	login := func(email, password string) answer {
		f.t.Helper()
		return f.call("POST", "/login", members{"email": email, "password": password})
	}
	f.register("ada@example.com")
	f.call("POST", "/register", members{"email": "ADA@example.com", "password": password, "full_name": "Eve"}).want(409)
	f.call("POST", "/login", members{"email": "ada@example.com", "password": "wrong password"}).want(401)
	token := f.login("ada@example.com")
	other := f.login("ada@example.com")

	secret, backup := f.enrol(token)
	f.call("GET", "/me", nil, bearer(other)).want(401) // ended by the enrolment
	temp := login("ada@example.com", password).want(200).text("temp_token")
	f.call("POST", "/verify-2fa", members{"temp_token": temp, "code": "000000"}).want(401)
	code := f.code(secret)
	token = f.call("POST", "/verify-2fa", members{"temp_token": temp, "code": code}).want(200).text("access_token")
	f.call("POST", "/verify-2fa", members{"temp_token": temp, "code": backup[0]}).want(401) // the temp token is spent
	for i, want := range []int{401, 200, 401} {
		temp = login("ada@example.com", password).want(200).text("temp_token")
		with := []string{code, backup[0], backup[0]}[i] // each works once
		f.call("POST", "/verify-2fa", members{"temp_token": temp, "code": with}).want(want)
	}

	old := token
	token = f.call("POST", "/refresh", nil, bearer(token)).want(200).text("access_token")
	f.clock.advance(time.Minute)
	f.call("GET", "/me", nil, bearer(old)).want(401)
	f.call("GET", "/me", nil, bearer(token)).want(200)

	id, key := f.apiKey(token)
	f.call("GET", "/me", nil, bearer(key)).want(200)
	f.call("GET", "/api-keys", nil, bearer(token)).want(200)
	guarded(f, nil, bearer(key)).want(200)
	f.call("DELETE", "/api-keys/"+id, nil, bearer(token)).want(200)
	f.call("GET", "/me", nil, bearer(key)).want(401)

	f.call("POST", "/disable-2fa", members{"password": password, "code": f.code(secret)}, bearer(token)).want(200)
	f.call("PATCH", "/me", members{"full_name": "Ada King", "email": "king@example.com"}, bearer(token)).want(200)
	f.register("ada@example.com") // free again
	f.call("POST", "/change-password", members{"current_password": password, "new_password": "NewPass456!"}, bearer(token)).want(200)
	login("king@example.com", password).want(401)
	token = login("king@example.com", "NewPass456!").want(200).text("access_token")
	f.call("POST", "/logout", nil, bearer(token)).want(200)
	f.call("GET", "/me", nil, bearer(token)).want(401)
}
