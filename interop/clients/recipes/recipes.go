// Package recipes has the libraries of the recipes in Go of docs/clients.md, so that this
// module pins them. The program ../../recipes makes a program of the recipes.
package recipes

import (
	_ "github.com/MicahParks/keyfunc/v3"
	_ "github.com/auth0/go-jwt-middleware/v2/jwks"
	_ "github.com/auth0/go-jwt-middleware/v2/validator"
	_ "github.com/coreos/go-oidc/v3/oidc"
	_ "github.com/go-jose/go-jose/v4"
	_ "github.com/go-jose/go-jose/v4/jwt"
	_ "github.com/golang-jwt/jwt/v5"
	_ "github.com/lestrrat-go/httprc/v3"
	_ "github.com/lestrrat-go/jwx/v3/jwk"
	_ "github.com/lestrrat-go/jwx/v3/jwt"
)
