package main

import (
	"fmt"
	"html"
	"io"
	"net/http"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/httpauth"
)

func newServeMux(handler *httpauth.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/v1/auth/", http.StripPrefix("/v1/auth", handler))
	mux.Handle("GET /whoami", handler.Require()(answer("whoami")))
	mux.Handle("POST /billing", handler.Require(httpauth.SessionOnly, httpauth.Role("admin"))(answer("billing")))
	mux.Handle("POST /seats", handler.Require()(addSeat(handler)))
	mux.Handle("GET /organizations/{organization}/reports", handler.Require(ownOrganization)(http.HandlerFunc(reports)))

	admin := http.NewServeMux() // a group of routes behind one guard
	admin.Handle("GET /admin/members", answer("members"))
	admin.Handle("GET /admin/invoices", answer("invoices"))
	mux.Handle("/admin/", handler.Require(httpauth.Role("admin"))(admin))
	return mux
}

// answer returns a handler that reads who calls from the request's context.
func answer(what string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id, _ := auth.IdentityFrom(r.Context())
		fmt.Fprintf(w, "%s for %s", what, id.User.ID)
	})
}

// writeReports answers with text that a browser does not take for a page, whatever is in it.
func writeReports(w http.ResponseWriter, organization string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	_, _ = io.WriteString(w, "reports of "+html.EscapeString(organization))
}

// reports runs behind ownOrganization, which has compared the path value.
func reports(w http.ResponseWriter, r *http.Request) {
	writeReports(w, r.PathValue("organization"))
}

var errPlanLimit = &httpauth.Problem{Status: http.StatusPaymentRequired, Code: "plan_limit", Detail: "The plan has 3 seats."}

func addSeat(handler *httpauth.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handler.WriteProblem(w, r, errPlanLimit)
	})
}
