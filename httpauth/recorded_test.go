package httpauth_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"time"
)

// A recorded is a ResponseWriter that knows the read deadlines it was given, with
// the request that it answers.
type recorded struct {
	*httptest.ResponseRecorder
	request   *http.Request
	deadlines []time.Time
}

func newRecorded(method, path string, body io.ReadCloser) *recorded {
	r := httptest.NewRequest(method, path, body)
	return &recorded{ResponseRecorder: httptest.NewRecorder(), request: r}
}

func (r *recorded) SetReadDeadline(t time.Time) error {
	r.deadlines = append(r.deadlines, t)
	return nil
}
