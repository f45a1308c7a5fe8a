"""Pure statistics that judge a model: inputs in, figures and verdicts out."""
