package main

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/datixlab/auth/internal/pgtest"
)

// machine describes where and when the table was made, and how much of the processors
// other programs used.
func machine(rounds int, took time.Duration, before times) string {
	now := processorTimes()
	averages, err := os.ReadFile("/proc/loadavg")
	must(err)
	load := strings.Fields(string(averages))[1] // of 5 minutes
	return fmt.Sprintf("%s: %s, %d cores, %s, %s, Redis %s, PostgreSQL %s. %d rounds in %v; the hypervisor kept %.0f %% of the processors for others, load average %s.\n",
		time.Now().UTC().Format("2 January 2006"), field("/proc/cpuinfo", "model name"), runtime.GOMAXPROCS(0), runtime.GOOS+"/"+runtime.GOARCH,
		runtime.Version(), redisVersion(), postgresVersion(), rounds, took.Round(time.Second),
		100*float64(now.stolen-before.stolen)/float64(max(1, now.all-before.all)), load)
}

// field returns the text after "name:" in a file of /proc.
func field(file, name string) string {
	text, err := os.ReadFile(file)
	must(err)
	for line := range strings.Lines(string(text)) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return "unknown"
}

func redisVersion() string {
	out, err := exec.Command("redis-server", "--version").Output()
	must(err)
	return strings.TrimPrefix(regexp.MustCompile(`v=\S+`).FindString(string(out)), "v=")
}

func postgresVersion() string {
	version, err := pgtest.Version()
	must(err)
	return version
}

// times are ticks of all processors since the machine began.
type times struct{ all, stolen int64 }

// processorTimes reads the first line of /proc/stat, proc(5): user, nice, system, idle,
// iowait, irq, softirq, steal, and two that user and nice contain.
func processorTimes() (t times) {
	text, err := os.ReadFile("/proc/stat")
	must(err)
	line, _, _ := strings.Cut(string(text), "\n")
	for i, f := range strings.Fields(line)[1:9] {
		n, err := strconv.ParseInt(f, 10, 64)
		must(err)
		t.all += n
		if i == 7 {
			t.stolen = n
		}
	}
	return t
}
