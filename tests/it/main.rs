mod metrics_golden;
