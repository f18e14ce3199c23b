// Shows the OpenAPI document of this server. The viewer keeps no token after a reload.
SwaggerUIBundle({
  url: document.documentElement.dataset.document,
  dom_id: "#reference",
  deepLinking: true,
  validatorUrl: null,
  defaultModelsExpandDepth: 0,
});
