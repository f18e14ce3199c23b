package main

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/httpauth"
)

func newGin(handler *httpauth.Handler) http.Handler {
	engine := gin.New()
	engine.Use(gin.Recovery())
	engine.ContextWithFallback = true // a gin.Context then has the values of its request's context
	engine.Any("/v1/auth/*path", gin.WrapH(http.StripPrefix("/v1/auth", handler)))
	engine.GET("/whoami", ginGuard(handler.Require()), ginAnswer("whoami"))
	engine.POST("/billing", ginGuard(handler.Require(httpauth.SessionOnly, httpauth.Role("admin"))), ginAnswer("billing"))
	engine.GET("/organizations/:organization/reports", ginGuard(handler.Require(ownOrganization)), ginReports)

	admin := engine.Group("/admin", ginGuard(handler.Require(httpauth.Role("admin")))) // routes behind one guard
	admin.GET("/members", ginAnswer("members"))
	admin.GET("/invoices", ginAnswer("invoices"))
	return engine
}

// ginGuard makes gin middleware of what Handler.Require returns. Rules read gin's
// parameters with Request.PathValue. Handlers find the identity in the request's context.
func ginGuard(guard func(http.Handler) http.Handler) gin.HandlerFunc {
	return func(c *gin.Context) {
		for _, p := range c.Params {
			c.Request.SetPathValue(p.Key, c.Param(p.Key))
		}
		var passed *http.Request
		guard(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { passed = r })).ServeHTTP(c.Writer, c.Request)
		if passed == nil {
			c.Abort()
			return
		}
		c.Request = passed
	}
}

func ginAnswer(what string) gin.HandlerFunc {
	return func(c *gin.Context) {
		id, _ := auth.IdentityFrom(c)
		c.String(http.StatusOK, "%s for %s", what, id.User.ID)
	}
}

func ginReports(c *gin.Context) {
	c.String(http.StatusOK, "reports of %s", c.Param("organization"))
}
