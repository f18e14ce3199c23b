package main

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/httpauth"
)

func newEchoV4(handler *httpauth.Handler) http.Handler {
	e := echo.New()
	e.Any("/v1/auth/*", echo.WrapHandler(http.StripPrefix("/v1/auth", handler)))
	e.GET("/whoami", echoV4Answer("whoami"), echoV4Guard(handler.Require()))
	e.POST("/billing", echoV4Answer("billing"), echoV4Guard(handler.Require(httpauth.SessionOnly, httpauth.Role("admin"))))
	e.GET("/organizations/:organization/reports", echoV4Reports, echoV4Guard(handler.Require(ownOrganization)))

	admin := e.Group("/admin", echoV4Guard(handler.Require(httpauth.Role("admin")))) // routes behind one guard
	admin.GET("/members", echoV4Answer("members"))
	admin.GET("/invoices", echoV4Answer("invoices"))
	return e
}

// echoV4Guard makes echo middleware of what Handler.Require returns. Rules read echo's
// parameters with Request.PathValue.
func echoV4Guard(guard func(http.Handler) http.Handler) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		guarded := echo.WrapMiddleware(guard)(next)
		return func(c echo.Context) error {
			for _, name := range c.ParamNames() {
				c.Request().SetPathValue(name, c.Param(name))
			}
			return guarded(c)
		}
	}
}

func echoV4Answer(what string) echo.HandlerFunc {
	return func(c echo.Context) error {
		id, _ := auth.IdentityFrom(c.Request().Context())
		return c.String(http.StatusOK, what+" for "+id.User.ID)
	}
}

func echoV4Reports(c echo.Context) error {
	return c.String(http.StatusOK, "reports of "+c.Param("organization"))
}
