package httpauth_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/internal/redistest"
	"github.com/datixlab/auth/store"
)

// The main job, on what runs Redis in earnest. One token is raced for there too (OT-3).
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

	f.call("POST", "/verify-email", members{"token": f.mail(auth.MailVerifyEmail, "king@example.com")}).want(200)
	f.call("POST", "/forgot-password", members{"email": "king@example.com"}).want(202)
	raceForReset(f, f.mail(auth.MailResetPassword, "king@example.com"))
	token = login("king@example.com", "ThirdPass789!").want(200).text("access_token")
	f.call("POST", "/me/export", nil, bearer(token)).want(200)
	f.call("POST", "/delete-account", members{"password": "ThirdPass789!"}, bearer(token)).want(200)
	f.call("GET", "/me", nil, bearer(token)).want(401)
	f.register("king@example.com") // free again
}

// raceForReset uses one token 200 times at once. One of them wins. The others are told that
// it is used, or that there is too much to do.
func raceForReset(f *fixture, token string) {
	f.t.Helper()
	const racers = 200
	gate := make(chan struct{})
	var running sync.WaitGroup
	var won, lost atomic.Int64
	for range racers {
		running.Go(func() {
			<-gate
			err := f.manager.ResetPassword(context.Background(), auth.Secret(token), "ThirdPass789!")
			switch {
			case err == nil:
				won.Add(1)
			case errors.Is(err, auth.ErrInvalidOneTimeToken), errors.Is(err, auth.ErrOverloaded), errors.Is(err, auth.ErrUnavailable):
				lost.Add(1)
			default:
				f.t.Errorf("a loser: %v", err)
			}
		})
	}
	close(gate)
	running.Wait()
	if won.Load() != 1 || lost.Load() != racers-1 {
		f.t.Errorf("%d won, %d lost", won.Load(), lost.Load())
	}
}
