package store

import (
	"context"
	"time"
)

// An Examiner is a Store that says how it is, for an operator.
type Examiner interface {
	Store

	// Examine returns the present state of the store. It changes nothing, and asks the engine
	// no more than a few questions.
	Examine(ctx context.Context) (Examination, error)
}

// An Examination is what an [Examiner] says.
type Examination struct {
	Kind     string    // of the engine, such as "redis"
	Time     time.Time // by the clock of the engine; zero if it has none of its own
	Warnings []string  // what may lose records, each a sentence for people, without a secret
}
