package browsertest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"testing"

	"github.com/chromedp/chromedp"
)

// TestMain ends the Chromium of the tests, which removes its directory, also after a failure.
func TestMain(m *testing.M) {
	code := m.Run()
	if err := stopChromium(); err != nil {
		fmt.Fprintln(os.Stderr, "chromium does not end:", err) // the tests have their result
	}
	os.Exit(code)
}

// errNoChromium means that there is no program to test with.
var errNoChromium = errors.New("chromium is not installed")

// stopChromium ends the process that chromium has started, if it has.
var stopChromium = func() error { return nil }

// chromium starts the one process of all tests, at the first call. A profile is a browser context in it,
// with cookies, storage and a cache of its own. The headless shell is the same engine without windows,
// tool bars and their own pages, which cost more than half of the work.
var chromium = sync.OnceValues(func() (context.Context, error) {
	path, err := exec.LookPath("chromium-headless-shell")
	if err != nil {
		if path, err = exec.LookPath("chromium"); err != nil {
			return nil, errNoChromium
		}
	}
	allocator, cancel := chromedp.NewExecAllocator(context.Background(), append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.Flag("lang", "en"), chromedp.Flag("accept-lang", "en"),
		chromedp.Flag("ignore-certificate-errors", true),
		chromedp.Flag("host-resolver-rules", "MAP *.test 127.0.0.1"),
	)...)
	ctx, _ := chromedp.NewContext(allocator)
	stopChromium = func() error {
		defer cancel()
		short, done := context.WithTimeout(ctx, patience)
		defer done()
		return chromedp.Cancel(short)
	}
	return ctx, chromedp.Do(ctx) // without an action it starts the process
})

// newProfile opens a tab in a browser context of its own.
func newProfile(t *testing.T) context.Context {
	t.Helper()
	process, err := chromium()
	if errors.Is(err, errNoChromium) && os.Getenv("CI") == "" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := chromedp.NewContext(process, chromedp.WithNewBrowserContext())
	t.Cleanup(cancel)
	return ctx
}
