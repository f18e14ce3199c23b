// orval reads no address from the document, so the client gets it here.
export default {
  auth: {
    input: process.env.AUTH_DOCUMENT,
    output: { target: "generated/orval.ts", client: "fetch", baseUrl: process.env.AUTH_URL },
  },
};
