package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestEveryToolSaysWhatItNeedsAndIsOnThePage(t *testing.T) {
	page, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	tools, err := choose(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, tool := range tools {
		text, err := os.ReadFile(filepath.Join("tools", tool))
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(text), "\n# Needs: ") {
			t.Errorf("%s does not say what it needs", tool)
		}
		if !strings.Contains(string(page), "\n| `"+tool+"` | ") {
			t.Errorf("README.md does not name %s", tool)
		}
		info, err := os.Stat(filepath.Join("tools", tool))
		if err != nil || info.Mode()&0o111 == 0 {
			t.Errorf("%s cannot be executed: %v", tool, err)
		}
	}
}
