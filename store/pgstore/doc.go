// Package pgstore keeps the records of package auth on PostgreSQL 14 or later.
package pgstore
