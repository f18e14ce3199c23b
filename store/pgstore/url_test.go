package pgstore_test

import (
	"errors"
	"io/fs"
	"strings"
	"testing"

	"github.com/datixlab/auth/internal/fuzztest"
	"github.com/datixlab/auth/store/pgstore"
)

// malformed are texts that name no primary. A password in them is hunter2.
var malformed = []string{
	"", "localhost", "hunter2:5432", "host=localhost password=hunter2", "http://app:hunter2@a", "postgres:app:hunter2@a",
	"postgres://app:hunter2@a:port/d", "postgres://app:hunter2%zz@a/d", "postgres://app:hun/ter2:hunter2@a/d",
	"postgres://app:hunter2@a:99999/d", "postgres://app:hunter2@[::1/d", "postgres://app:hunter2#@a:b/d", "postgres://app:hunter2@a/d?x=%zz",
	"postgres://app:hunter2@a/d?sslmode=hunter2", "postgres://app:hunter2@a/d?sslmode=verify-full&sslrootcert=/hunter2", "postgres://a/d?pool_max_conns=hunter2",
	"postgres://a/d?connect_timeout=hunter2", "postgres://a/d?default_query_exec_mode=hunter2", "postgres://app:hunter2@a/d?pool_max_conns=0",
	"postgres://app:hunter2@a/d?target_session_attrs=standby", "postgres://app:hunter2@a/d?target_session_attrs=hunter2", "postgres://a/d?;password=hunter2",
	"postgresql://app:hunter2@a/d?target_session_attrs=prefer-standby",
}

func TestMalformedURLsAreRefusedAndNotRepeated(t *testing.T) {
	for _, text := range malformed {
		c, err := pgstore.ParseURL(text)
		if err == nil {
			t.Errorf("ParseURL(%q) = %+v, want an error", text, c.ConnConfig)
			continue
		}
		if strings.Contains(err.Error(), "hunter2") || !strings.HasPrefix(err.Error(), "pgstore: ") || c != nil {
			t.Errorf("ParseURL(%q) = %v, %v", text, c, err)
		}
	}
}

func TestAURLWithAFileThatIsNotThereSaysSo(t *testing.T) {
	_, err := pgstore.ParseURL("postgres://app:hunter2@a/d?sslmode=verify-full&sslrootcert=/none/ca.pem")
	if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "sslrootcert") {
		t.Errorf("ParseURL = %v", err)
	}
}

func TestAURLSaysWhereTheServerIsAndHowManyConnectionsThereMayBe(t *testing.T) {
	c := at(t, "postgresql://app:hunter2%40@a:5433,b/d?pool_max_conns=7&application_name=shop&target_session_attrs=read-write")
	if u := c.ConnConfig; u.User != "app" || u.Password != "hunter2@" || u.Host != "a" || u.Port != 5433 || u.Database != "d" ||
		len(u.Fallbacks) == 0 || c.MaxConns != 7 || u.RuntimeParams["application_name"] != "shop" {
		t.Errorf("ParseURL = %+v", u)
	}
	c = at(t, "postgres:///d?host=/run/postgresql")
	if u := c.ConnConfig; u.Host != "/run/postgresql" || c.MaxConns != 16 || u.RuntimeParams["application_name"] != "auth" {
		t.Errorf("ParseURL of a socket = %+v with %d connections", u, c.MaxConns)
	}
}

func FuzzParseURL(f *testing.F) {
	for _, text := range malformed {
		f.Add(text)
	}
	f.Add("postgres://app:hunter2@a:1,b:2/d?sslmode=disable&pool_max_conns=3")
	f.Add("postgresql://app:hunter2@/d?host=/run/postgresql")
	saw := fuzztest.BothWays(f)
	fuzztest.Fuzz(f, func(t *testing.T, text string) {
		c, err := pgstore.ParseURL(text)
		saw(err == nil)
		switch {
		case err != nil:
			if strings.Contains(text, "hunter2") && strings.Contains(err.Error(), "hunter2") {
				t.Errorf("ParseURL(%q): %v", text, err)
			}
		case c.MaxConns < 1, c.ConnConfig.Host == "":
			t.Errorf("ParseURL(%q) = %+v", text, c.ConnConfig)
		}
	})
}
