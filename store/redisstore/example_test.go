package redisstore_test

import (
	"context"
	"log"
	"os"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/store/redisstore"
)

func ExampleOpenOrCreate() {
	ctx := context.Background()
	u, err := redisstore.ParseURL(os.Getenv("REDIS_URL")) // redis://…, redis-cluster://…, redis-sentinel://…
	if err != nil {
		log.Fatal(err)
	}
	db, err := redisstore.OpenOrCreate(ctx, u, redisstore.Options{Prefix: "auth:"})
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
