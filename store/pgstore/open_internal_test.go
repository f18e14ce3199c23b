package pgstore

import (
	"strings"
	"testing"
	"time"
)

func TestAServerThatBreaksTheContractIsRefused(t *testing.T) { // ST-9
	good := func() condition {
		return condition{version: 140000, name: "14.0", clock: time.Now(), isolation: "read committed", synchronous: "on"}
	}
	if err := good().check(); err != nil {
		t.Fatalf("a good server is refused: %v", err)
	}
	for why, change := range map[string]func(*condition){
		"14 or later is needed":       func(c *condition) { c.version, c.name = 139999, "13.99" },
		"the clock of the server is":  func(c *condition) { c.clock = time.Now().Add(maxAhead + time.Minute) },
		"is a standby":                func(c *condition) { c.standby = true },
		"synchronous_commit off":      func(c *condition) { c.synchronous = "off" },
		"must be read committed":      func(c *condition) { c.isolation = "serializable" },
		"restore all of it: f(), g()": func(c *condition) { c.lacking = []string{"f()", "g()"} },
		"privileges: A, B":            func(c *condition) { c.missing = []string{"A", "B"} },
	} {
		c := good()
		change(&c)
		if err := c.check(); err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("error %v, want one that says %q", err, why)
		}
	}
	behind, ahead := good(), good()
	behind.clock, ahead.clock = time.Now().Add(-24*time.Hour), time.Now().Add(maxAhead-time.Minute)
	for _, c := range []condition{behind, ahead} {
		if err := c.check(); err != nil {
			t.Errorf("a clock at %v is refused: %v", c.clock, err)
		}
	}
}

func TestASchemaIsUsedFromTheVersionThatItNamesOn(t *testing.T) {
	for at, why := range map[versionRow]string{
		{0, 0}:                     "no store in the schema",
		{version, version}:         "",
		{version + 1, version}:     "",
		{version + 1, version + 1}: "needs a later version of this program",
	} {
		switch err := at.check("s"); {
		case why == "" && err != nil:
			t.Errorf("%+v is refused: %v", at, err)
		case why != "" && (err == nil || !strings.Contains(err.Error(), why)):
			t.Errorf("%+v: error %v, want one that says %q", at, err, why)
		}
	}
}
