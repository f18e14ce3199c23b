package redisstore_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/redis/go-redis/v9"

	"github.com/datixlab/auth/internal/redistest"
	"github.com/datixlab/auth/store"
	"github.com/datixlab/auth/store/redisstore"
)

// lacking is a connection to a server whose administrator has renamed some commands, or to
// a proxy that does not know them.
type lacking struct {
	net.Conn
	commands []string
}

func (c lacking) Write(b []byte) (int, error) {
	b = bytes.Clone(b)
	for _, name := range c.commands {
		command := fmt.Appendf(nil, "$%d\r\n%s\r\n", len(name), name)
		b = bytes.ReplaceAll(b, command, bytes.ReplaceAll(command, []byte(name), []byte("_"+name[1:])))
	}
	return c.Conn.Write(b)
}

// without connects to server as if it had not these commands.
func without(server *redistest.Server, commands ...string) redis.UniversalOptions {
	u := at(server.Addr())
	u.Dialer = func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := new(net.Dialer).DialContext(ctx, network, addr)
		return lacking{c, commands}, err
	}
	return u
}

func TestAServerThatSaysLessOfItselfIsUsedWithAWarning(t *testing.T) {
	if !redistest.Available(t) {
		return
	}
	server := redistest.Start(t, "--appendonly", "yes")
	renamed := redistest.Start(t, "--appendonly", "yes", "--rename-command", "hello", "")
	rules, _ := documentedACL(t, "auth:")
	o := redisstore.Options{Prefix: "auth:"}
	for _, server := range []*redistest.Server{server, renamed} { // so that the prefix is no news
		mustOpen(t, at(server.Addr()), redisstore.Options{Prefix: o.Prefix, Logger: quiet})
	}
	for name, c := range map[string]struct {
		u    redis.UniversalOptions
		says []string // one for each warning
	}{
		"everything":              {without(server), nil},
		"no HELLO":                {without(server, "hello"), []string{"HELLO is not available"}},
		"no INFO":                 {without(server, "info"), []string{"INFO is not available"}},
		"no TIME":                 {without(server, "time"), []string{"TIME is not available"}},
		"no CONFIG and no CLIENT": {without(server, "config", "client"), nil},
		"a proxy":                 {without(server, "hello", "info", "time", "client", "config", "select", "wait"), []string{"HELLO", "the version", "TIME", "INFO"}},
		"a server without HELLO":  {at(renamed.Addr()), []string{"HELLO is not available"}},
		"an ACL without INFO":     {asUser(server, "auth2", append(rules, "-info", "-config|get")...), []string{"INFO"}},
	} {
		t.Run(name, func(t *testing.T) {
			log := warnings(t, c.u, o)
			if len(log) != len(c.says) {
				t.Fatalf("Open said %q, want %d warnings", log, len(c.says))
			}
			for i, want := range c.says {
				if !strings.Contains(log[i], want) {
					t.Errorf("Open said %q, want %q", log[i], want)
				}
			}
			s := mustOpen(t, c.u, redisstore.Options{Prefix: o.Prefix, Logger: quiet})
			must(t, s.Commit(ever, store.Put("p/k", []byte("v"))))
			wantValue(t, s, "p/k", "v")
		})
	}
}

// What a server does not say of itself must not weaken what the Store promises.
func TestAServerThatSaysNothingOfItselfIsHeldToTheContract(t *testing.T) { // ST-9
	if !redistest.Available(t) {
		return
	}
	t.Parallel()
	server, master := redistest.Start(t), redistest.Start(t)
	u := without(server, "hello", "info", "time")
	t.Run("as a store", func(t *testing.T) { keepsTheContract(t, places(u, 0)) })
	t.Run("as a replica", func(t *testing.T) {
		o := fresh()
		s := mustOpen(t, u, o)
		must(t, s.Commit(ever, store.Put("p/k", []byte("v"))))
		host, port, _ := strings.Cut(master.Addr(), ":")
		server.Do("replicaof", host, port)
		for range 3 { // each on a new connection
			if values, err := s.Get(ever, "p/k"); err == nil {
				t.Errorf("a replica answered %q", values)
			}
		}
		for _, open := range []func(context.Context, redis.UniversalOptions, redisstore.Options) (*redisstore.Store, error){redisstore.Open, redisstore.OpenOrCreate} {
			if s, err := open(ever, u, o); err == nil {
				s.Close()
				t.Error("a replica was opened")
			}
		}
	})
}

// An error that says nothing of a command is one that Open must not pass over.
func TestOnlyTheLackOfACommandIsPassedOver(t *testing.T) {
	for reply, passedOver := range map[string]bool{
		"-ERR unknown command 'hello', with args beginning with: \r\n":        true,
		"-ERR unknown command `hello`, with args beginning with: \r\n":        true,
		"-NOPERM this user has no permissions to run the 'hello' command\r\n": true,
		"-NOPERM User auth has no permissions to run the 'hello' command\r\n": true,
		"-ERR unsupported command 'hello'\r\n":                                true,
		"-ERR Command is not supported: hello\r\n":                            true,
		"-invalid request\r\n": true,
		"-NOAUTH HELLO must be called with the client already authenticated\r\n":                               false,
		"-ERR max number of clients reached\r\n":                                                               false,
		"-LOADING Redis is loading the dataset in memory\r\n":                                                  false,
		"-BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.\r\n":          false,
		"-MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.\r\n":                false,
		"-DENIED Redis is running in protected mode because protected mode is enabled and no password is.\r\n": false,
	} {
		synctest.Test(t, func(t *testing.T) {
			u := at("server:6379")
			u.Dialer = func(context.Context, string, string) (net.Conn, error) {
				here, there := net.Pipe()
				go func() {
					b := make([]byte, 4096)
					for {
						n, err := there.Read(b)
						if err != nil {
							return
						}
						for range bytes.Count(b[:n], []byte("*")) { // every command gets the same answer
							if _, err := there.Write([]byte(reply)); err != nil {
								return
							}
						}
					}
				}()
				return here, nil
			}
			_, err := redisstore.OpenOrCreate(ever, u, fresh())
			if err == nil {
				t.Fatal("opened a server that refuses everything")
			}
			// Passed over, it is the mark of the prefix that cannot be read.
			if got := strings.Contains(err.Error(), "format"); got != passedOver {
				t.Errorf("%q: passed over: %v, want %v (%v)", strings.TrimSpace(reply), got, passedOver, err)
			}
		})
	}
}
