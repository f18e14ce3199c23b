package main

import (
	"net/http"

	"github.com/labstack/echo/v5"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/httpauth"
)

func newEcho(handler *httpauth.Handler) http.Handler {
	e := echo.New()
	e.Any("/v1/auth/*", echo.WrapHandler(http.StripPrefix("/v1/auth", handler)))
	e.GET("/whoami", echoAnswer("whoami"), echo.WrapMiddleware(handler.Require()))
	e.POST("/billing", echoAnswer("billing"), echo.WrapMiddleware(handler.Require(httpauth.SessionOnly, httpauth.Role("admin"))))
	e.GET("/organizations/:organization/reports", echoReports, echo.WrapMiddleware(handler.Require(ownOrganization)))

	admin := e.Group("/admin", echo.WrapMiddleware(handler.Require(httpauth.Role("admin")))) // routes behind one guard
	admin.GET("/members", echoAnswer("members"))
	admin.GET("/invoices", echoAnswer("invoices"))
	return e
}

func echoAnswer(what string) echo.HandlerFunc {
	return func(c *echo.Context) error {
		id, _ := auth.IdentityFrom(c.Request().Context())
		return c.String(http.StatusOK, what+" for "+id.User.ID)
	}
}

func echoReports(c *echo.Context) error {
	return c.String(http.StatusOK, "reports of "+c.Param("organization"))
}
