package pgstore_test

import (
	"context"
	"log"
	"os"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/store/pgstore"
)

func ExampleOpenOrCreate() {
	ctx := context.Background()
	config, err := pgstore.ParseURL(os.Getenv("DATABASE_URL")) // postgres://…
	if err != nil {
		log.Fatal(err)
	}
	db, err := pgstore.OpenOrCreate(ctx, config, pgstore.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	manager, err := auth.New(db, auth.Config{Secrets: []auth.Secret{auth.Secret(os.Getenv("AUTH_SECRET"))}})
	if err != nil {
		log.Fatal(err)
	}
	defer manager.Close()
}
