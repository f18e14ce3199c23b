package main

import (
	"net/http"

	"github.com/go-chi/chi/v5"

	"github.com/datixlab/auth/httpauth"
)

func newChi(handler *httpauth.Handler) http.Handler {
	r := chi.NewRouter()
	r.Mount("/v1/auth", http.StripPrefix("/v1/auth", handler))
	r.With(handler.Require()).Method("GET", "/whoami", answer("whoami"))
	r.With(handler.Require(httpauth.SessionOnly, httpauth.Role("admin"))).Method("POST", "/billing", answer("billing"))
	r.With(handler.Require(ownOrganization)).Get("/organizations/{organization}/reports", chiReports)

	r.Route("/admin", func(admin chi.Router) { // a group of routes behind one guard
		admin.Use(handler.Require(httpauth.Role("admin")))
		admin.Method("GET", "/members", answer("members"))
		admin.Method("GET", "/invoices", answer("invoices"))
	})
	return r
}

func chiReports(w http.ResponseWriter, r *http.Request) {
	writeReports(w, chi.URLParam(r, "organization"))
}
