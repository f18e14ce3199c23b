package redisstore

import (
	"crypto/tls"
	"errors"
	"net"
	"net/url"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"
)

// ParseURL returns the options for one of
//
//	redis://USER:PASSWORD@HOST:PORT/DB
//	redis-cluster://USER:PASSWORD@HOST:PORT?addr=HOST:PORT&addr=…
//	redis-sentinel://USER:PASSWORD@HOST:PORT/DB?master_name=NAME&addr=HOST:PORT&addr=…
//	unix://USER:PASSWORD@/PATH/OF/SOCKET?db=DB
//
// and the first three with TLS: rediss, rediss-cluster, rediss-sentinel. User, password,
// database and every addr are optional. So is the port if it is 6379, or 26379 for
// Sentinel. Each addr is one more node or Sentinel to ask first. User and password are
// those of the Redis servers; those of the Sentinels are the parameters
// sentinel_username and sentinel_password. Special characters in any of them must be
// percent-encoded.
//
// Its errors repeat nothing of the URL, since any part of a malformed one may be a
// password. The caller sets in the options what a URL cannot say: a certificate
// authority, a client certificate, the size of the pool.
func ParseURL(text string) (redis.UniversalOptions, error) {
	o, err := parseURL(text)
	if err != nil {
		return redis.UniversalOptions{}, err
	}
	return o, nil
}

func parseURL(text string) (o redis.UniversalOptions, err error) {
	noScheme := errors.New("redisstore: URL must begin with redis://, redis-cluster:// or redis-sentinel://, with rediss instead of redis, or with unix://")
	if !strings.Contains(text, ":/") {
		return o, noScheme // or else "localhost:6379" would be one with a malformed password
	}
	u, err := url.Parse(text)
	if err != nil || u.Opaque != "" || u.Fragment != "" {
		return o, errors.New("redisstore: malformed URL; special characters in a password must be percent-encoded")
	}
	scheme, kind, _ := strings.Cut(u.Scheme, "-")
	port := "6379"
	switch kind {
	case "":
	case "cluster":
		o.IsClusterMode = true
	case "sentinel":
		port = "26379"
	default:
		scheme = ""
	}
	switch scheme {
	case "redis":
	case "unix":
	case "rediss":
		// The certificate must name the host that is dialled.
		o.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	default:
		return o, noScheme
	}

	db := strings.TrimPrefix(u.Path, "/")
	switch {
	case scheme == "unix" && (kind != "" || u.Host != "" || db == ""):
		return o, errors.New("redisstore: URL of a Unix socket is unix:///PATH, with an absolute path")
	case scheme == "unix":
		o.Addrs, db, kind = []string{u.Path}, "", "unix"
	case u.Hostname() == "":
		return o, errors.New("redisstore: URL without a host")
	default:
		if u.Port() != "" {
			port = u.Port()
		}
		o.Addrs = []string{net.JoinHostPort(u.Hostname(), port)}
	}

	if u.User != nil {
		password, ok := u.User.Password()
		if !ok || password == "" {
			return o, errors.New("redisstore: URL with a user and no password")
		}
		o.Username, o.Password = u.User.Username(), password
	}

	if db != "" {
		if o.DB, err = parseDB(db); err != nil {
			return o, err
		}
	}
	return o, parseQuery(&o, kind, u.RawQuery)
}

func parseDB(text string) (int, error) {
	db, err := strconv.Atoi(text)
	if err != nil || db < 0 {
		return 0, errors.New("redisstore: the path of a URL, or the db of a Unix socket, is the number of a database")
	}
	return db, nil
}

func parseQuery(o *redis.UniversalOptions, kind, text string) error {
	query, err := url.ParseQuery(text)
	if err != nil {
		return errors.New("redisstore: malformed parameters in URL")
	}
	for key, list := range query {
		single := map[string]*string{
			"master_name": &o.MasterName, "sentinel_username": &o.SentinelUsername, "sentinel_password": &o.SentinelPassword,
		}[key]
		switch {
		case key == "db" && kind == "unix" && len(list) == 1:
			if o.DB, err = parseDB(list[0]); err != nil {
				return err
			}
		case key == "addr" && (kind == "cluster" || kind == "sentinel"):
			for _, addr := range list {
				if host, port, err := net.SplitHostPort(addr); err != nil || host == "" || port == "" {
					return errors.New("redisstore: addr in URL is not HOST:PORT")
				}
				o.Addrs = append(o.Addrs, addr)
			}
		case single != nil && kind == "sentinel" && len(list) == 1 && list[0] != "":
			*single = list[0]
		default:
			return errors.New("redisstore: unknown, empty or repeated parameter in URL: redis-cluster has addr; redis-sentinel has addr, master_name, sentinel_username and sentinel_password; unix has db")
		}
	}
	switch {
	case kind == "sentinel" && o.MasterName == "":
		return errors.New("redisstore: URL of Sentinels without master_name")
	case kind == "cluster" && o.DB != 0:
		return errors.New("redisstore: a cluster has database 0 only")
	}
	return nil
}
