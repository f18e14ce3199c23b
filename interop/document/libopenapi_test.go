//go:build libopenapi

package document

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"
	"github.com/pb33f/libopenapi-validator/config"
	verrors "github.com/pb33f/libopenapi-validator/errors"
)

func init() { newOther = newLibopenapi }

// A libopenapiValidator is libopenapi-validator, with the document that it has read.
type libopenapiValidator struct {
	model         libopenapi.Document // as long as the validators are used
	plain, strict validator.Validator
}

func newLibopenapi(served []byte) (otherValidator, error) {
	model, err := libopenapi.NewDocument(served)
	if err != nil {
		return nil, err
	}
	plain, errs := validator.NewValidator(model)
	if errs != nil {
		return nil, errors.Join(errs...)
	}
	strict, errs := validator.NewValidator(model, config.WithStrictMode(), config.WithStrictIgnorePaths("$.headers.*"))
	if errs != nil {
		return nil, errors.Join(errs...)
	}
	return libopenapiValidator{model, plain, strict}, nil
}

func (v libopenapiValidator) documentFault() error {
	_, faults := v.plain.ValidateDocument()
	return joined(faults)
}

func (v libopenapiValidator) requestFault(r *http.Request) error {
	_, faults := v.plain.ValidateHttpRequestSync(r)
	return joined(faults)
}

func (v libopenapiValidator) answerFault(r *http.Request, a *http.Response, strict bool) error {
	judge := v.plain
	if strict {
		judge = v.strict
	}
	_, faults := judge.ValidateHttpResponse(r, a)
	return joined(faults)
}

func joined(faults []*verrors.ValidationError) error {
	var all []error
	for _, fault := range faults {
		all = append(all, fault)
		for _, schema := range fault.SchemaValidationErrors {
			all = append(all, fmt.Errorf("%s: %s", schema.KeywordLocation, schema.Reason))
		}
	}
	return errors.Join(all...)
}
