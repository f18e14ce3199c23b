package redisstore

import (
	"runtime"
	"testing"

	"github.com/redis/go-redis/v9"
)

// A pool that the caller has sized stays as it is; any other has room for many calls.
func TestTheSizeOfThePoolIsTheCallersToSay(t *testing.T) {
	for set, want := range map[int]int{0: max(32, 10*runtime.GOMAXPROCS(0)), 1: 1, 500: 500} {
		u := redis.UniversalOptions{Addrs: []string{"localhost:1"}, PoolSize: set}
		if setTimeouts(&u); u.PoolSize != want {
			t.Errorf("PoolSize %d became %d, want %d", set, u.PoolSize, want)
		}
	}
}
